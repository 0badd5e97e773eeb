import { spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listValue } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { app, appendOf, plainThing, thing, topics } from "./some-events.ts";

const compactingProcess = fileURLToPath(new URL("compacting-process.ts", import.meta.url));

/** Kills at the n-th change of the folder of a partition: a file made, written, renamed or removed. Gives whether it was done by then. */
async function compactAndKill(masterPath: string, changes: number): Promise<boolean> {
  const child = spawn(process.execPath, ["--import", "tsx/esm", compactingProcess, masterPath], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exit = once(child, "exit");
  let seen = 0;
  const watcher = watch(join(masterPath, thing.name, "0"), () => {
    if (++seen >= changes) child.kill("SIGKILL");
  });
  const [code] = await exit;
  watcher.close();
  return code === 0;
}

test("compaction killed at any moment leaves a folder that reads the same, and the next goes on", async () => {
  const root = await mkdtemp(join(tmpdir(), "tidemark-compaction-crash-"));
  const [sound, masterPath] = [join(root, "sound"), join(root, "master")];
  const log = await LmdbLog.open({ path: join(root, "log"), topics, mode: "writer" });
  const duckdb = await Duckdb.open({
    memoryLimit: "500MB",
    threads: 1,
    temporaryFolder: join(root, "spill"),
  });
  const connection = await duckdb.connect();
  const events = Array.from({ length: 100 }, (_, n) => ({ ...plainThing(n), partition: 0 }));
  await log.append(events.map(appendOf));
  const owner = await MasterFolder.own(sound, topics);
  const archiver = new Archiver({ app, log, master: owner, duckdb, recordsPerFile: 5 });
  await archiver.archive(await archiver.logEnd());
  const rowsOf = async (path: string) => {
    const paths = (await MasterFolder.read(path, topics).files(thing.name)).map((file) => file.path);
    const read = await connection.runAndReadAll("SELECT * FROM read_parquet($1)", [listValue(paths)]);
    return read.getRowObjectsJson();
  };
  const rows = await rowsOf(sound);
  expect(rows).toHaveLength(100);
  const filesLeft = new Set<number>();
  for (const changes of [1, 3, 6, 9, 14, 25, Number.POSITIVE_INFINITY]) {
    const isLast = changes === Number.POSITIVE_INFINITY;
    if (!isLast) {
      await rm(masterPath, { recursive: true, force: true });
      await cp(sound, masterPath, { recursive: true });
    }
    expect(await compactAndKill(masterPath, changes)).toBe(isLast);
    expect(await rowsOf(masterPath)).toEqual(rows);
    filesLeft.add((await readdir(join(masterPath, thing.name, "0"))).length);
  }
  // Three large ones with their checksums.
  expect(await readdir(join(masterPath, thing.name, "0"))).toHaveLength(6);
  expect(filesLeft.size).toBeGreaterThan(2);
  await duckdb[Symbol.asyncDispose]();
  await log[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
}, 120_000);
