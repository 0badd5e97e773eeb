/** Compacts the master dataset at the first argument as far as can be, until it is done or killed. */
import { Duckdb } from "../../infra/duckdb.ts";
import { thoroughPolicy } from "../../infra/master/compaction-plan.ts";
import { Compactor } from "../../infra/master/compactor.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { thing, topics } from "./some-events.ts";

const [masterPath = ""] = process.argv.slice(2);
const duckdb = await Duckdb.open({
  memoryLimit: "500MB",
  threads: 1,
  temporaryFolder: `${masterPath}-spill`,
});
const compactor = new Compactor({
  events: [thing],
  master: await MasterFolder.own(masterPath, topics),
  duckdb,
  timers: globalThis,
  policy: { ...thoroughPolicy, targetRecords: 40 },
  graceMs: 0,
  now: () => performance.now(),
});
await compactor.pass({ mostRecords: Number.POSITIVE_INFINITY, signal: new AbortController().signal });
await duckdb[Symbol.asyncDispose]();
