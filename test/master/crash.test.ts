import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listValue } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { app, appendOf, plainThing, topics } from "./some-events.ts";

const archivingProcess = fileURLToPath(new URL("archiving-process.ts", import.meta.url));

/** Archives until so many reports of progress were given, then kills. Gives whether it was done by then. */
async function archiveAndKill(logPath: string, masterPath: string, reports: number): Promise<boolean> {
  const child = spawn(process.execPath, ["--import", "tsx/esm", archivingProcess, logPath, masterPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  let told = 0;
  child.stdout.setEncoding("utf8").on("data", (lines: string) => {
    told += lines.split("\n").length - 1;
    if (told > reports) child.kill("SIGKILL");
  });
  const [code] = await exit;
  return code === 0;
}

test("an archiver killed at any moment leaves whole files, and the next goes on where they end", async () => {
  const root = await mkdtemp(join(tmpdir(), "tidemark-crash-"));
  const [logPath, masterPath] = [join(root, "log"), join(root, "master")];
  const log = await LmdbLog.open({ path: logPath, topics, mode: "writer" });
  const duckdb = await Duckdb.open({
    memoryLimit: "500MB",
    threads: 1,
    temporaryFolder: join(root, "spill"),
  });
  const connection = await duckdb.connect();
  const master = MasterFolder.read(masterPath, topics);
  const count = 9_000;
  // Every ninth event is the one before the last of its partition again.
  const events = Array.from({ length: count }, (_, n) => plainThing(n % 9 === 8 ? n - 6 : n));
  await log.append(events.map(appendOf));

  for (const reports of [0, 1, 2, 4, Number.POSITIVE_INFINITY]) {
    expect(await archiveAndKill(logPath, masterPath, reports)).toBe(reports === Number.POSITIVE_INFINITY);
    const paths = (await master.files("test.thing.seen")).map(({ path }) => path);
    if (paths.length === 0) continue;
    const read = await connection.runAndReadAll(
      `SELECT count(*), count(DISTINCT (_partition, _offset)), count(*) FILTER (WHERE _duplicate <> (_partition = 2 AND _offset % 3 = 2)),
        bool_and(whole = 3 * (_offset - CASE WHEN _duplicate THEN 2 ELSE 0 END) + _partition) FROM read_parquet($1)`,
      [listValue(paths)],
    );
    const archived = Object.values(await master.cut())
      .flat()
      .reduce((sum, next) => sum + next, 0);
    expect(read.getRows()).toEqual([[BigInt(archived), BigInt(archived), 0n, true]]);
  }
  const end = { [app.events[0]?.name ?? ""]: await log.nexts("test.thing.seen") };
  expect(await master.cut()).toEqual(end);
  for (const partition of ["0", "1", "2"]) {
    const names = await readdir(join(masterPath, "test.thing.seen", partition));
    expect(names.filter((name) => name.startsWith("."))).toEqual([]);
  }
  await duckdb[Symbol.asyncDispose]();
  await log[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
}, 60_000);
