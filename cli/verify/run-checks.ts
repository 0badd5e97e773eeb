import { mkdir } from "node:fs/promises";
import { Duckdb } from "../../infra/duckdb.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import type { Manifest } from "../../infra/generations/generations.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { type Log, logEnd } from "../../infra/log/log.ts";
import { type ArchivedEvents, archivedEvents } from "../../infra/master/archived-events.ts";
import { type ArchivedRange, archivedIds } from "../../infra/master/archived-ids.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import type { TailSegment } from "../../infra/tail/segment.ts";
import { readVersionPointer } from "../../infra/versions/version-pointer.ts";
import type { App } from "../../views/app.ts";
import { isFolded, isRecomputed } from "../../views/layers.ts";
import { familiesOf } from "../../views/version.ts";
import type { View } from "../../views/view.ts";
import type { dataFolder } from "../data-folder.ts";
import { Check } from "./check.ts";
import { checkChecksums } from "./checksum-check.ts";
import { checkGenerations, checkPasts } from "./generation-check.ts";
import { checkLog } from "./log-check.ts";
import { checkMaster } from "./master-check.ts";
import { checkTail } from "./tail-check.ts";
import { checkVersions } from "./version-check.ts";

/** Where the two stores are that differ between the profiles. */
export interface CheckedStores {
  readonly log: Log;
  /** Anyone may append to it, and offsets may have gaps. */
  readonly isOpenToAll: boolean;
  /** The segments of a view that its reader would merge with the generation. */
  segments(view: View, current: Manifest | undefined): Promise<readonly TailSegment[]>;
}

/** Checks a data folder store by store, each as soon as it is asked for. What it opens is the lifecycle's to close. */
export async function* runChecks(
  app: App,
  folder: ReturnType<typeof dataFolder>,
  { log, isOpenToAll, segments }: CheckedStores,
  lifecycle: Lifecycle,
  isDeep = false,
): AsyncGenerator<Check> {
  const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
  const master = MasterFolder.read(folder.master, topics);
  await mkdir(folder.scratch, { recursive: true });
  const duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "1GB", threads: 1, temporaryFolder: folder.scratch }),
  );
  const [connection, reader] = [await duckdb.connect(), await duckdb.connect()];
  const generationsIn = (root: string) => GenerationsFolder.read({ root, onWatchError: () => undefined });
  const [generations, pasts] = [generationsIn(folder.generations), generationsIn(folder.pasts)];
  const end = await logEnd(log, topics);
  yield await examine("log", (check) => checkLog(check, app, log, end, isOpenToAll));
  yield await examine("master dataset", (check) =>
    checkMaster(check, app, log, master, end, { connection, reader }),
  );
  if (isDeep) {
    yield await examine("checksums", (check) => checkChecksums(check, app, master));
  }
  for (const view of app.views.filter(isRecomputed)) {
    yield await examine(`generations of ${view.name}`, async (check) => {
      await checkGenerations(check, { view, generations, log, master, connection });
    });
  }
  for (const view of app.views.filter(isRecomputed)) {
    if ((await pasts.list(view.name)).length === 0) continue;
    yield await examine(`pasts of ${view.name}`, async (check) => {
      await checkPasts(check, { view, generations: pasts, log, master, connection });
    });
  }
  for (const [family, versions] of familiesOf(app.views)) {
    const hasPointer = (await readVersionPointer(folder.versions, family).catch(() => true)) !== undefined;
    if (versions.length === 1 && !hasPointer) continue;
    yield await examine(`versions of ${family}`, (check) =>
      checkVersions(check, versions, folder.versions, generations),
    );
  }
  const fromFiles: ArchivedEvents = (...range) => archivedEvents(reader, master, ...range);
  const past = { log, archivedIds: (range: ArchivedRange) => archivedIds(connection, master, range) };
  for (const view of app.views.filter(isFolded)) {
    yield await examine(`tail of ${view.name}`, async (check) => {
      const current = isRecomputed(view) ? await generations.current(view) : undefined;
      const pastOfView = isRecomputed(view) ? past : { ...past, archivedEvents: fromFiles };
      await checkTail(check, view, await segments(view, current), current, pastOfView, end);
    });
  }
}

/** A store that can't even be read is a problem of that store: the others are checked all the same. */
async function examine(name: string, look: (check: Check) => Promise<void>): Promise<Check> {
  const check = new Check(name);
  try {
    await look(check);
  } catch (error) {
    check.problem(`can't be read: ${(error as Error).message}`);
  }
  return check;
}
