import { appendFile, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tidemarkHere } from "../cli/here.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

let folder: string;
let data: string;
let platform: PlatformHere | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-compact-"));
  data = join(folder, "data");
});

afterAll(async () => {
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function tidemark(...args: readonly string[]): Promise<{ code: number; out: string }> {
  const { code, out, err } = await tidemarkHere([...args, "--app", app, "--data", data]);
  return { code, out: out + err };
}

const partition = () => join(data, "master", "aviation.flight.landed", "0");
const namesOf = async (ending: string) =>
  (await readdir(partition())).filter((name) => name.endsWith(ending)).sort();

test("what runs leave becomes one file per partition, sound to the byte, and a run over it answers the same", async () => {
  platform = await PlatformHere.start(data);
  const lines = await flightLines(3_000);
  for (const from of [0, 1_000, 2_000]) {
    await platform.ingest(lines.slice(from, from + 1_000).join("\n"));
    await platform.runIsDone(await platform.startRun());
  }
  const before = await platform.rows("totals-by-hour", { layer: "batch" });
  expect(await tidemark("compact")).toEqual({
    code: 1,
    out: expect.stringContaining("TIDEMARK_STORE_LOCKED"),
  });
  await platform.stop();
  expect((await namesOf(".parquet")).length).toBeGreaterThan(2);
  const { code, out } = await tidemark("compact", "--json");
  expect([code, JSON.parse(out)]).toMatchObject([0, { written: 4, waiting: 0 }]);
  expect(await namesOf(".parquet")).toHaveLength(1);
  expect(await namesOf(".sha256")).toHaveLength(1);
  expect(await tidemark("compact")).toEqual({ code: 0, out: "there is nothing to compact\n" });
  const verified = await tidemark("verify", "--deep");
  expect(verified.out).toMatch(/✓ checksums +4 files/);
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("clean") });
  platform = await PlatformHere.start(data);
  await platform.runIsDone(await platform.startRun());
  expect((await platform.rows("totals-by-hour", { layer: "batch" })).rows).toEqual(before.rows);
  await platform.stop();
}, 120_000);

test("verify finds a compacted file that lost or changed a record, and one byte more by --deep", async () => {
  const path = join(partition(), (await namesOf(".parquet"))[0] ?? "");
  const sound = await readFile(path);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  for (const [select, problem] of [
    ["* FROM FILE WHERE _offset <> 7", /the master has \[8,.*where the log has \[7,/],
    [
      "* REPLACE (if(_offset = 7, delay + 1, delay) AS delay) FROM FILE",
      /the master has \[7,.*where the log has \[7,/,
    ],
  ] as const) {
    const from = select.replace("FILE", `read_parquet('${path}')`);
    await connection.run(`COPY (SELECT ${from}) TO '${path}.new' (FORMAT parquet)`);
    await rename(`${path}.new`, path);
    const { code, out } = await tidemark("verify", "--deep");
    expect(code).toBe(1);
    expect(out).toMatch(problem);
    expect(out).toMatch(/✗ checksums +4 files[^\n]*\n.* is not what was written: its SHA-256 is/);
    await writeFile(path, sound);
  }
  connection.closeSync();
  instance.closeSync();
  for (const name of await namesOf(".sha256")) await rm(join(partition(), name));
  await appendFile(path, "x");
  expect((await tidemark("verify", "--deep")).out).toMatch(
    /✓ checksums +3 files.*1 more were written without a checksum: unchecked/,
  );
}, 120_000);
