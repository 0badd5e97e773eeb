/**
 * The second process of `tidemark up`: archiver and batch layer. Started by fork with the app's file, the data
 * folder, and how old files get that stay in it, if any leave; ends with the process that started it.
 */
import { mkdir } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { Erasing } from "../batch-layer/erasing.ts";
import { performRun } from "../batch-layer/run.ts";
import { longestFullIntervalMs } from "../batch-layer/schedule.ts";
import { letterOf } from "../infra/dead-letters/letter-of-record.ts";
import { overRecords, readDeclarations } from "../infra/declarations/declarations.ts";
import { Duckdb } from "../infra/duckdb.ts";
import { GenerationsFolder } from "../infra/generations/folder.ts";
import type { Run } from "../infra/jobs/jobs.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { LmdbLog } from "../infra/log/lmdb-log.ts";
import { Eraser } from "../infra/master/eraser.ts";
import { MasterFolder } from "../infra/master/folder.ts";
import { Peer } from "../infra/peer.ts";
import { givesWay, lowerPriority } from "../infra/priority.ts";
import { channelToParent } from "../infra/process-channel.ts";
import { SealedTailReader } from "../infra/tail/sealed-tail.ts";
import { Archiver } from "../ingestion/archive.ts";
import { keepArchiving } from "../ingestion/keep-archiving.ts";
import type { Cut } from "../views/cut.ts";
import { compactBeside } from "./compaction.ts";
import { dataFolder } from "./data-folder.ts";
import { openErasures } from "./erasures.ts";
import { loadApp } from "./load-app.ts";
import { inClear } from "./subject-keys.ts";

const [appPath = "", root = "", coldAfterMs = ""] = process.argv.slice(2);
// Whoever started this is gone: what is half done is left, as after a crash, for the next owner of the folder.
process.on("disconnect", () => process.exit(1));
// Ctrl-C reaches the whole group; the process that started this one decides when it ends.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
lowerPriority(givesWay.batch);

const folder = dataFolder(root);
const app = overRecords(await loadApp(appPath), await readDeclarations(folder.declarations));
const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
const lifecycle = new Lifecycle();

await mkdir(folder.scratch, { recursive: true });
const duckdb = lifecycle.use(
  await Duckdb.open({
    memoryLimit: `${Math.max(256, Math.floor(totalmem() / 4 / 1024 ** 2))}MB`,
    threads: Math.max(1, availableParallelism() - 1),
    temporaryFolder: folder.scratch,
  }),
);
const stored = lifecycle.use(await LmdbLog.open({ path: folder.log, topics, mode: "reader" }));
const { log } = await inClear({ stored, mode: "reader", app, folder, environment: process.env }, lifecycle);
const master = await MasterFolder.own(folder.master, topics);
const fail = (error: unknown) =>
  peer.call("failed", String((error as Error).stack ?? error)).catch(() => undefined);
const generations = await GenerationsFolder.own({ root: folder.generations, onWatchError: fail });
const pasts = await GenerationsFolder.own({ root: folder.pasts, onWatchError: fail });
const sealedTail = lifecycle.use(new SealedTailReader({ path: folder.tail, app }));
const archiver = new Archiver({
  ...{ app, log, master, duckdb },
  // Only a producer that goes round the gateway can bring one about.
  onInvalid: async (record, reason, topic, partition) => {
    const { raw, bytes: _, ...letter } = letterOf(record, reason, topic, partition);
    await peer.call("dead-letter", { ...letter, raw: Buffer.from(raw).toString("base64") });
  },
});

/** Known only once a run asks, since looking so far ahead takes a while. */
let fullWithinMs: number | undefined;

const compaction = compactBeside(
  { events: app.events, master, duckdb },
  coldAfterMs === "" ? undefined : Number(coldAfterMs),
);

const erasing = new Erasing({
  app,
  forgetsOld: true,
  erasures: openErasures(folder.erasures),
  eraser: new Eraser({ app, master, duckdb, timers: globalThis }),
  generations,
  pasts,
  leavesPages: true,
  others: {
    countLetters: async (subjects) => (await peer.call("count-letters", subjects)) as readonly number[],
    eraseLetters: async (subjects) => void (await peer.call("erase-letters", subjects)),
    destroyKeys: async (subjects) => (await peer.call("destroy-keys", subjects)) as number,
    forget: async (cut) => void (await peer.call("forget", cut)),
  },
  alone: (work) => compaction.alone(() => archiver.alone(work)),
});

const peer: Peer = new Peer(channelToParent(), {
  run: (run, report, signal) =>
    compaction.whileReading(() => {
      fullWithinMs ??= longestFullIntervalMs(app);
      return performRun(
        {
          app,
          master,
          generations,
          pasts,
          sealedTail,
          duckdb,
          clock: Date.now,
          timers: globalThis,
          fullWithinMs,
          erasing,
          seal: { seal: async () => (await peer.call("seal", null)) as Cut },
          archive: async (until, archiveSignal, progress) =>
            archiver.archive({ ...(await archiver.logEnd()), ...until }, { signal: archiveSignal, progress }),
        },
        run as Run,
        report,
        signal,
      );
    }),
  stop: () => lifecycle[Symbol.asyncDispose](),
});
lifecycle.use(keepArchiving({ archiver, timers: globalThis, failed: fail, tidy: compaction.tidy }));
await peer.call("ready", null);
