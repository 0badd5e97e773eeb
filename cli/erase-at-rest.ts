import { randomBytes } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { Erasing, type OtherStores } from "../batch-layer/erasing.ts";
import { performRun } from "../batch-layer/run.ts";
import { letterOf } from "../infra/dead-letters/letter-of-record.ts";
import { LmdbDeadLetters } from "../infra/dead-letters/lmdb-dead-letters.ts";
import { readDeclarations } from "../infra/declarations/declarations.ts";
import { Duckdb } from "../infra/duckdb.ts";
import type { Erasure } from "../infra/erasures/erasures.ts";
import { GenerationsFolder } from "../infra/generations/folder.ts";
import type { RunProgress } from "../infra/jobs/jobs.ts";
import { RunStore } from "../infra/jobs/run-store.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { LmdbLog } from "../infra/log/lmdb-log.ts";
import { trimUpTo } from "../infra/log/log.ts";
import { Eraser } from "../infra/master/eraser.ts";
import { MasterFolder } from "../infra/master/folder.ts";
import { Archiver } from "../ingestion/archive.ts";
import type { Subject } from "../views/subject.ts";
import { compactStores, erasableLetters, legible, openErasures } from "./erasures.ts";
import type { FolderAtRest } from "./folder-at-rest.ts";
import { type ClearLog, inClear } from "./subject-keys.ts";
import type { Terminal } from "./terminal.ts";

export interface AtRestOptions {
  readonly report: (progress: RunProgress) => void;
  readonly signal: AbortSignal;
  readonly environment: Terminal["environment"];
}

/** How many runs a folder's history keeps. */
const keptRuns = 1_000;

/**
 * An erasure from being asked for to compacted files, and whatever else is pending, on a folder whose lock the caller holds.
 * Without a subject only what is pending already. Gives the erasures that it did.
 */
export async function eraseAtRest(
  atRest: FolderAtRest,
  subject: Subject | undefined,
  options: AtRestOptions,
): Promise<readonly Erasure[]> {
  const { folder } = atRest;
  const erasures = openErasures(folder.erasures);
  const lifecycle = new Lifecycle();
  try {
    const { app } = atRest;
    const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
    const stored = lifecycle.use(await LmdbLog.open({ path: folder.log, topics, mode: "writer" }));
    const { environment } = options;
    const log = await inClear({ stored, mode: "writer", app, folder, environment }, lifecycle);
    if (subject !== undefined) await erasures.ask({ ...subject, bound: await log.retire(subject) });
    const pending = new Set((await erasures.pending()).map(({ id }) => id));
    if (pending.size > 0) await run(atRest, log, options, lifecycle);
    await lifecycle[Symbol.asyncDispose]();
    await compactStores(folder);
    return (await erasures.list()).filter(({ id }) => pending.has(id));
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
}

async function run(
  { app, folder }: FolderAtRest,
  { log, destroyKeys }: ClearLog,
  { report, signal }: AtRestOptions,
  lifecycle: Lifecycle,
): Promise<void> {
  const topics = log.topics;
  await mkdir(folder.scratch, { recursive: true });
  const duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "1GB", threads: 2, temporaryFolder: folder.scratch }),
  );
  const letters = lifecycle.use(await LmdbDeadLetters.open({ path: folder.deadLetters }));
  const master = await MasterFolder.own(folder.master, topics);
  const own = (root: string) => GenerationsFolder.own({ root, onWatchError: () => undefined });
  const [generations, pasts] = [await own(folder.generations), await own(folder.pasts)];
  const archiver = new Archiver({
    ...{ app, log, master, duckdb },
    onInvalid: (record, reason, topic, partition) =>
      letters.put([{ ...letterOf(record, reason, topic, partition), receivedAt: new Date().toISOString() }]),
  });
  const others: OtherStores = {
    ...erasableLetters(app, letters),
    destroyKeys,
    forget: async (cut) => {
      await trimUpTo(log, legible(cut, await readDeclarations(folder.declarations)));
      // All that it holds lies before the log's end, where the cut is.
      await rm(folder.tail, { recursive: true, force: true });
      await using runs = new RunStore(folder.jobs, keptRuns);
      await runs.forgetExamples();
    },
  };
  const erasing = new Erasing({
    ...{ app, forgetsOld: true },
    erasures: openErasures(folder.erasures),
    eraser: new Eraser({ app, master, duckdb, timers: globalThis }),
    ...{ generations, pasts, others, leavesPages: true },
    alone: (work) => archiver.alone(work),
  });
  const id = `erase-${randomBytes(6).toString("hex")}`;
  await performRun(
    {
      ...{ app, master, generations, duckdb, erasing, clock: Date.now, timers: globalThis },
      seal: { seal: async () => undefined },
      sealedTail: { rows: () => undefined },
      archive: async (until, archiveSignal, progress) =>
        archiver.archive(until ?? (await archiver.logEnd()), { signal: archiveSignal, progress }),
    },
    { id, kind: "batch", view: null, full: true },
    report,
    signal,
  );
}
