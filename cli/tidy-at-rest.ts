import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { lockFolder } from "../infra/folder-lock.ts";
import type { Lifecycle } from "../infra/lifecycle.ts";
import type { Compacted, CompactorParts } from "../infra/master/compactor.ts";
import type { MasterFolder } from "../infra/master/folder.ts";
import type { App } from "../views/app.ts";
import { TidemarkError } from "../views/errors.ts";
import { interruptionOf } from "./command.ts";
import { dataFolder } from "./data-folder.ts";
import { Progress } from "./progress.ts";
import { formatCount } from "./quantity.ts";
import type { Terminal } from "./terminal.ts";

export interface MasterAtRest {
  readonly folder: ReturnType<typeof dataFolder>;
  /** By the nodes of a cluster, which keep their log in Kafka: none of them owns it, and the batch process removes files. */
  readonly isShared: boolean;
}

/**
 * A data folder with a master dataset, locked until the lifecycle ends unless it is shared. TIDEMARK_CONFIG,
 * TIDEMARK_STORE_LOCKED.
 */
export async function openMaster(data: string, lifecycle: Lifecycle): Promise<MasterAtRest> {
  const folder = dataFolder(data);
  if (!existsSync(folder.master)) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `${data} has no master dataset: nothing was archived to it yet, or it is no data folder; name one with --data`,
    );
  }
  const isShared = !existsSync(folder.log);
  if (!isShared) lifecycle.use(await lockFolder(data));
  return { folder, isShared };
}

export interface Tidying extends Pick<CompactorParts, "policy" | "toMove"> {
  /** What the progress bar says. */
  readonly title: string;
}

/** One pass of the compactor over all files, at once, with a progress bar. */
export async function tidyAtRest(
  app: App,
  { folder, isShared }: MasterAtRest,
  { title, ...tidying }: Tidying,
  terminal: Terminal,
  lifecycle: Lifecycle,
): Promise<Compacted & { readonly master: MasterFolder }> {
  // Loaded here, so that the other commands start without the stores.
  const { Compactor } = await import("../infra/master/compactor.ts");
  const { MasterFolder } = await import("../infra/master/folder.ts");
  const { Duckdb } = await import("../infra/duckdb.ts");
  const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
  await mkdir(folder.scratch, { recursive: true });
  const duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "1GB", threads: 2, temporaryFolder: folder.scratch }),
  );
  const master = isShared
    ? MasterFolder.read(folder.master, topics)
    : await MasterFolder.own(folder.master, topics);
  const compactor = new Compactor({
    ...{ events: app.events, master, duckdb, timers: globalThis, ...tidying },
    graceMs: isShared ? Number.POSITIVE_INFINITY : 0,
    now: terminal.now,
  });
  const total = await compactor.pending();
  using progress = new Progress(terminal, title, total);
  using interruption = interruptionOf();
  const outcome = await compactor.pass({
    mostRecords: Number.POSITIVE_INFINITY,
    signal: interruption.signal,
    progress: (files) => progress.update(files, `${formatCount(files)} of ${formatCount(total)} files`),
  });
  return { ...outcome, master };
}
