/**
 * The process that carries out SQL, and folds past records. Started by fork with the app's file, the data folder, a folder
 * of its own, "embedded" or "cluster", and what it may take; ends with the process that started it.
 */

import { overRecords, readDeclarations } from "../infra/declarations/declarations.ts";
import { Duckdb } from "../infra/duckdb.ts";
import { GenerationsFolder } from "../infra/generations/folder.ts";
import { KeptGenerations } from "../infra/generations/kept-generations.ts";
import { KafkaLog } from "../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../infra/kafka/settings.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { LmdbLog } from "../infra/log/lmdb-log.ts";
import type { Log } from "../infra/log/log.ts";
import { coldFolderOf } from "../infra/master/cold-folder.ts";
import { MasterFolder } from "../infra/master/folder.ts";
import { Peer } from "../infra/peer.ts";
import { givesWay, lowerPriority } from "../infra/priority.ts";
import { channelToParent } from "../infra/process-channel.ts";
import type { SqlStatement, TailRow } from "../serving-layer/sql/engine.ts";
import type { SqlBudget } from "../serving-layer/sql/limits.ts";
import { SqlRunner } from "../serving-layer/sql/runner.ts";
import { dataFolder } from "./data-folder.ts";
import { loadApp } from "./load-app.ts";
import { type FoldMessage, foldPast } from "./past-folds.ts";
import { exitOfMemory, spillFolder } from "./sql-worker.ts";
import { clusterInClear, inClear } from "./subject-keys.ts";

const [appPath = "", root = "", folder = "", profile = "", budgetText = ""] = process.argv.slice(2);
// Whoever started this is gone, and empties the folder when it is started again.
process.on("disconnect", () => process.exit(1));
// Ctrl-C reaches the whole group; the process that started this one decides when it ends.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
lowerPriority(givesWay.sql);

const budget = JSON.parse(budgetText) as SqlBudget;
// What is not DuckDB's counts too, and DuckDB does not count all that a function puts together.
const watch = setInterval(() => {
  if (process.memoryUsage.rss() > budget.processBytes) process.exit(exitOfMemory);
}, 50);
watch.unref();

const stores = dataFolder(root);
const app = overRecords(await loadApp(appPath), await readDeclarations(stores.declarations));
const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
const fail = (error: unknown) =>
  peer.call("failed", String((error as Error).stack ?? error)).catch(() => undefined);
const cold = (await coldFolderOf(stores.master))?.folder;
const duckdb = await Duckdb.open({
  memoryLimit: budget.memoryLimit,
  threads: budget.threads,
  temporaryFolder: spillFolder(folder),
  confined: {
    folders: [stores.master, stores.generations, stores.pasts, folder, ...(cold === undefined ? [] : [cold])],
    temporaryLimit: budget.temporaryLimit,
  },
});

/** Opened once it is needed, since most statements ask for views alone, and open for as long as this process lives. */
let opening: Promise<Log> | undefined;
const shared = { app, folder: stores, environment: process.env } as const;
const openLog = async (): Promise<Log> => {
  if (profile === "cluster") {
    const settings = kafkaSettings(process.env);
    const stored = await KafkaLog.open({ settings, topics, warn: (message) => void fail(message) });
    return (await clusterInClear({ stored, ...shared }, new Lifecycle())).log;
  }
  const stored = await LmdbLog.open({ path: stores.log, topics, mode: "reader" });
  return (await inClear({ stored, mode: "reader", ...shared }, new Lifecycle())).log;
};

const openedLog = (): Promise<Log> => {
  opening ??= openLog();
  return opening;
};
const master = MasterFolder.read(stores.master, topics);

const generationsIn = (root: string) => GenerationsFolder.read({ root, onWatchError: fail });

const runner = await SqlRunner.open({
  app,
  duckdb,
  generations: new KeptGenerations(generationsIn(stores.generations), generationsIn(stores.pasts)),
  master,
  log: {
    async *read(topic, partition, from, next) {
      yield* (await openedLog()).read(topic, partition, from, next);
    },
  },
  folder,
  folders: [root, folder, ...(cold === undefined ? [] : [cold])],
  timers: globalThis,
  fatal: (error) => void fail(error).finally(() => process.exit(1)),
});

/** By statement and table, the tail's rows that have come. */
const tails = new Map<number, Map<number, TailRow[]>>();

const peer: Peer = new Peer(channelToParent(), {
  check: (sql) => runner.check(String(sql)),
  tail: async (message) => {
    const { id, table, rows } = message as { id: number; table: number; rows: readonly TailRow[] };
    const tables = tails.get(id) ?? new Map<number, TailRow[]>();
    tails.set(id, tables);
    const known = tables.get(table) ?? [];
    for (const row of rows) known.push(row);
    tables.set(table, known);
  },
  run: (message, take, signal) => {
    const { id, statement } = message as { id: number; statement: SqlStatement };
    const tail = tails.get(id);
    const tables = statement.tables.map((table, i) =>
      table.kind === "view" ? { ...table, tail: tail?.get(i) ?? [] } : table,
    );
    return runner.run({ ...statement, tables }, take, signal);
  },
  forget: async (id) => void tails.delete(id as number),
  fold: async (message, report, signal) =>
    foldPast({ app, log: await openedLog(), master, duckdb }, message as FoldMessage, report, signal),
});
await peer.call("ready", null);
