/**
 * Archives the log at the first argument into the master dataset at the second, in files of 700 offsets, until it is
 * done or killed. Says "archiving" on its standard output, then how many records are archived.
 */
import { Duckdb } from "../../infra/duckdb.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { app, topics } from "./some-events.ts";

const [logPath = "", masterPath = ""] = process.argv.slice(2);
const log = await LmdbLog.open({ path: logPath, topics, mode: "reader" });
const master = await MasterFolder.own(masterPath, topics);
const duckdb = await Duckdb.open({
  memoryLimit: "500MB",
  threads: 1,
  temporaryFolder: `${masterPath}-spill`,
});
const archiver = new Archiver({ app, log, master, duckdb, recordsPerFile: 700 });
process.stdout.write("archiving\n");
await archiver.archive(await archiver.logEnd(), {
  progress: (records) => void process.stdout.write(`${records}\n`),
});
await duckdb[Symbol.asyncDispose]();
await log[Symbol.asyncDispose]();
