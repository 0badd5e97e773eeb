import { cp, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { tidemarkHere } from "../cli/here.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

let folder: string;
let sound: string;
let data: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-verify-"));
  sound = join(folder, "sound");
  const platform = await PlatformHere.start(sound);
  const lines = await flightLines(4_000);
  await platform.ingest(lines.slice(0, 3_000).join("\n"));
  await platform.runIsDone(await platform.startRun());
  const { position } = (await platform.rows("airport-hours")).provenance;
  const { err } = await tidemarkHere([
    ...["batch", "run", "--as-of", position, "--view", "airport-hours", "--url", platform.url],
  ]);
  await platform.ingest(lines.slice(3_000).join("\n"));
  await platform.caughtUp();
  await platform.stop();
  expect(err).toBe("");
}, 60_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(async () => {
  data = await mkdtemp(join(folder, "copy-"));
  await cp(sound, data, { recursive: true });
});

interface Outcome {
  readonly code: number;
  readonly out: string;
}

async function verify(): Promise<Outcome> {
  const { code, out, err } = await tidemarkHere(["verify", "--app", app, "--data", data]);
  return { code, out: out + err };
}

async function firstMasterFile(): Promise<string> {
  const partition = join(data, "master", "aviation.flight.landed", "0");
  const name = (await readdir(partition)).find((each) => each.endsWith(".parquet")) ?? "";
  return join(partition, name);
}

async function generation(view: string, store = "generations"): Promise<string> {
  const names = await readdir(join(data, store, view));
  return join(data, store, view, names.find((name) => name.startsWith("g-")) ?? "");
}

/** Writes a Parquet file anew, with its rows changed by a SELECT over the former ones. */
async function rewrite(path: string, select: string): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run(
    `COPY (${select.replace("FILE", `read_parquet('${path}')`)}) TO '${path}.new' (FORMAT parquet)`,
  );
  connection.closeSync();
  instance.closeSync();
  await rename(`${path}.new`, path);
}

test("a sound folder is clean", async () => {
  expect(await verify()).toEqual({ code: 0, out: expect.stringContaining("clean") });
});

test("a fact that was changed in the master dataset is named", async () => {
  await rewrite(
    await firstMasterFile(),
    "SELECT * REPLACE (if(_offset = 7, delay + 1, delay) AS delay) FROM FILE",
  );
  const { code, out } = await verify();
  expect(code).toBe(1);
  expect(out).toMatch(/✗ master dataset/);
  expect(out).toMatch(/the master has \[7,.*where the log has \[7,/);
});

test("a duplicate mark that is wrong is named", async () => {
  await rewrite(await firstMasterFile(), "SELECT * REPLACE (_offset = 3 AS _duplicate) FROM FILE");
  expect(await verify()).toEqual({ code: 1, out: expect.stringContaining("where the log has [3,") });
});

test("a master file that is gone is named", async () => {
  await rm(await firstMasterFile());
  const { code, out } = await verify();
  expect(code).toBe(1);
  expect(out).toMatch(/✗ generations of airport-hours.*\n.*its cut .* is beyond the archive/);
});

test.each([
  ["a generation", "generations"],
  ["what is kept of the past", "pasts"],
])("a state that was changed in %s is named", async (_, store) => {
  const path = join(await generation("airport-hours", store), "states.parquet");
  await rewrite(
    path,
    `SELECT * REPLACE (if(origin = 'ORD', "late.count" + 1, "late.count") AS "late.count") FROM FILE`,
  );
  const { code, out } = await verify();
  expect(code).toBe(1);
  expect(out).toContain(`✗ ${store} of airport-hours`);
  expect(out).toMatch(/states\.parquet has \["ORD"\].*where the records give \["ORD"\]/);
});

test("an index of other states is named", async () => {
  const [mine, other] = [await generation("airport-hours"), join(folder, "other.mdb")];
  await rename(join(mine, "index.mdb"), other);
  await cp(join(await generation("totals-by-hour"), "index.mdb"), join(mine, "index.mdb"));
  const { code, out } = await verify();
  expect(code).toBe(1);
  expect(out).toMatch(/✗ generations of airport-hours.*\n +can't be read: /);
  expect(out).toMatch(/✓ generations of totals-by-hour/);
});

test("a folder without a log is no data folder", async () => {
  await rm(join(data, "log"), { recursive: true });
  expect(await verify()).toEqual({ code: 1, out: expect.stringContaining("TIDEMARK_CONFIG") });
});
