import { cp, mkdtemp, readdir, rename, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { lockFolder } from "../../infra/folder-lock.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { type Offset, offset } from "../../views/cut.ts";
import { tidemarkHere } from "../cli/here.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));
const topic = { name: "aviation.flight.landed", partitions: 4 };

let folder: string;
let sound: string;
let data: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-replay-"));
  sound = join(folder, "sound");
  const platform = await PlatformHere.start(sound);
  const lines = await flightLines(4_000);
  // The last flights of the first half come once more: an event that is sent twice counts once.
  await platform.ingest(lines.slice(0, 2_000).join("\n"));
  await platform.ingest(lines.slice(1_700, 3_000).join("\n"));
  await platform.runIsDone(await platform.startRun());
  await platform.ingest(lines.slice(3_000).join("\n"));
  await platform.caughtUp();
  await platform.stop();
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

async function replay(...args: readonly string[]): Promise<Outcome> {
  const { code, out, err } = await tidemarkHere(["replay", ...args, "--app", app, "--data", data]);
  return { code, out: out + err };
}

interface Answer {
  readonly equal: boolean;
  readonly records: number;
  readonly fromLog: number;
  readonly fromMaster: number;
  readonly duplicates: number;
  readonly fold: { readonly bytesRead: number };
  readonly batch: { readonly bytesRead: number };
  readonly heldAgainstGeneration: Held;
  readonly heldAgainstSql: Held;
}

interface Held {
  readonly keys: number;
  readonly differing: number;
  readonly examples: readonly { readonly dimensions: readonly unknown[]; readonly folded: unknown }[];
}

async function answer(...args: readonly string[]): Promise<Answer & { readonly code: number }> {
  const { code, out } = await replay(...args, "--json");
  return { code, ...(JSON.parse(out) as Answer) };
}

async function masterFiles(partition: number): Promise<readonly string[]> {
  const inside = join(data, "master", topic.name, String(partition));
  const files = (await readdir(inside)).filter((name) => name.endsWith(".parquet"));
  return files.sort().map((name) => join(inside, name));
}

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

/** Lets go of the first half of what each partition holds, as a log of bounded retention does. */
async function trimHalf(): Promise<void> {
  const log = await LmdbLog.open({ path: join(data, "log"), topics: [topic], mode: "writer" });
  for (const [partition, next] of (await log.nexts(topic.name)).entries()) {
    await log.trim(topic.name, partition, offset(Math.floor((next as Offset) / 2)));
  }
  await log[Symbol.asyncDispose]();
}

test("the fold of the log is the generation, and what SQL computes: every state of every key", async () => {
  for (const view of ["airport-hours", "routes-by-day", "totals-by-hour"]) {
    const found = await answer(view);
    expect(found).toMatchObject({ code: 0, equal: true, records: 3_300, fromMaster: 0, duplicates: 300 });
    expect(found.heldAgainstGeneration.keys).toBeGreaterThan(5);
    expect(found.heldAgainstSql.keys).toBe(found.heldAgainstGeneration.keys);
    expect(found.batch.bytesRead).toBeGreaterThan(1_000);
    expect(found.fold.bytesRead).toBeGreaterThan(3_300 * 100);
  }
});

test("the same of the master dataset's files", async () => {
  const found = await answer("airport-hours", "--archived");
  expect(found).toMatchObject({ code: 0, equal: true, fromLog: 0, fromMaster: 3_300, duplicates: 300 });
});

test("what the log has let go of comes from the files; duplicates are known across the two", async () => {
  await trimHalf();
  const found = await answer("airport-hours");
  expect(found).toMatchObject({ code: 0, equal: true, records: 3_300, duplicates: 300 });
  expect(found.fromLog).toBeGreaterThan(1_000);
  expect(found.fromMaster).toBeGreaterThan(1_000);
});

test("a duplicate mark of the master dataset means nothing to the fold: a wrong one is found", async () => {
  const [path = ""] = await masterFiles(0);
  await rewrite(path, "SELECT * REPLACE (_offset = 3 OR _duplicate AS _duplicate) FROM FILE");
  const found = await answer("airport-hours", "--archived");
  expect(found).toMatchObject({ code: 1, equal: false, duplicates: 300 });
  expect(found.heldAgainstGeneration.differing).toBe(0);
  expect(found.heldAgainstSql.differing).toBe(1);
});

test("a state that differs is shown with its key", async () => {
  const [generation = ""] = (await readdir(join(data, "generations", "airport-hours"))).filter((name) =>
    name.startsWith("g-"),
  );
  await rewrite(
    join(data, "generations", "airport-hours", generation, "states.parquet"),
    `SELECT * REPLACE (if(origin = 'ORD', "flights.count" + 1, "flights.count") AS "flights.count") FROM FILE`,
  );
  const { code, out } = await replay("airport-hours");
  expect(code).toBe(1);
  expect(out).toMatch(/DIFFERENT: \d+ of .* folded and in generation g-/);
  expect(out).toMatch(/\["ORD"\]/);
  expect(out).toMatch(/equal: all .* computed by SQL now/);
});

test("a master file that is damaged is refused by its name, whoever reads it", async () => {
  const [path = ""] = await masterFiles(2);
  await truncate(path, 100);
  for (const args of [[], ["--archived"]]) {
    const { code, out } = await replay("airport-hours", ...args);
    expect(code).toBe(1);
    expect(out).toContain(`TIDEMARK_STORE_CORRUPT: "${path}" can't be read`);
  }
});

test("a master file that is gone leaves a gap, which is refused", async () => {
  for (const path of await masterFiles(1)) await rm(path);
  const { code, out } = await replay("airport-hours", "--archived");
  expect(code).toBe(1);
  expect(out).toContain(
    `TIDEMARK_STORE_GAP: the master dataset holds ${topic.name}/1 up to 0, and records up to`,
  );
});

test("more entries than may be are refused, not held", async () => {
  const { code, out } = await replay("airport-hours", "--entries", "50");
  expect(code).toBe(1);
  expect(out).toMatch(/TIDEMARK_TAIL_FULL: view "airport-hours" makes more than 50 entries/);
});

test("nothing is written to the folder", async () => {
  const listed = async () =>
    (await readdir(data, { recursive: true })).filter((name) => !name.endsWith("-lock")).sort();
  const before = await listed();
  expect((await replay("airport-hours", "--archived")).code).toBe(0);
  expect(await listed()).toEqual(before);
});

test("a view that is none, one without a generation, and a folder that is in use are refused", async () => {
  expect((await replay("airports")).out).toContain("TIDEMARK_QUERY_VIEW_UNKNOWN");
  await rm(join(data, "generations", "airport-hours"), { recursive: true });
  expect((await replay("airport-hours")).out).toContain("TIDEMARK_QUERY_NO_GENERATION");
  await using _lock = await lockFolder(data);
  expect(await replay("routes-by-day")).toEqual({
    code: 1,
    out: expect.stringContaining("TIDEMARK_STORE_LOCKED"),
  });
});
