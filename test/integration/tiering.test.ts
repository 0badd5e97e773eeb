import { mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hotOlderThan } from "../../cli/compaction.ts";
import { loadApp } from "../../cli/load-app.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import type { RunResult } from "../../infra/jobs/jobs.ts";
import { linkColdFolder } from "../../infra/master/cold-folder.ts";
import { noCompaction } from "../../infra/master/compaction-plan.ts";
import { Compactor } from "../../infra/master/compactor.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { tidemarkHere } from "../cli/here.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

const dayMs = 86_400_000;

let folder: string;
let data: string;
let cold: string;
let platform: PlatformHere;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-tiering-"));
  [data, cold] = [join(folder, "data"), join(folder, "cold")];
});

afterAll(async () => {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

async function tidemark(...args: readonly string[]): Promise<{ code: number; out: string }> {
  const { code, out, err } = await tidemarkHere([...args, "--app", app, "--data", data]);
  return { code, out: out + err };
}

async function sql(text: string): Promise<string> {
  const response = await fetch(`${platform.url}/v1/sql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql: text }),
  });
  return response.text();
}

const counting = 'SELECT count(*) AS n FROM "aviation.flight.landed"';

/** What a run over all records counts, then rows of the batch layer, of both, and of SQL over the records. */
async function answers() {
  const response = await fetch(`${platform.url}/v1/batch/runs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ full: true }),
  });
  const run = await platform.runIsDone(((await response.json()) as { id: string }).id);
  const { rows } = await platform.rows("totals-by-hour", { layer: "batch" });
  const merged = await platform.rows("airport-hours");
  const counted = JSON.parse(await sql(counting)) as { rows: unknown };
  return [(run.result as RunResult).records, rows, merged.rows, counted.rows];
}

const unmounted = () => ({ code: 1, out: expect.stringContaining(`the cold folder ${cold},`) });

const parquetsIn = async (root: string) =>
  (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".parquet")).length;

const exported = async () => {
  const out = join(folder, "events.ndjson");
  expect(await tidemark("export", "--out", out)).toMatchObject({ code: 0 });
  return (await readFile(out, "utf8")).split("\n");
};

/** One pass of what the process that archives does, in this one. Nothing is removed before `graceMs`. */
async function move(graceMs: number) {
  const declared = await loadApp(app);
  const topics = declared.events.map(({ name, partitions }) => ({ name, partitions }));
  await using duckdb = await Duckdb.open({
    ...{ memoryLimit: "256MB", threads: 1, temporaryFolder: join(folder, "spill") },
  });
  const master = MasterFolder.read(join(data, "master"), topics);
  const compactor = new Compactor({
    ...{ events: declared.events, master, duckdb, timers: globalThis, policy: noCompaction, graceMs },
    ...{ now: () => 0, toMove: hotOlderThan(dayMs) },
  });
  return await compactor.pass({ mostRecords: 10_000, signal: new AbortController().signal });
}

test("while old files go to another disk all answers are the same, without that disk there is an error, and back they come", async () => {
  platform = await PlatformHere.start(data);
  await platform.ingest((await flightLines(600)).join("\n"));
  const before = await answers();
  await linkColdFolder(join(data, "master"), cold);
  expect(await move(1)).toMatchObject({ moved: 4, removed: 0, waiting: 4 });
  expect(await answers()).toEqual(before);
  expect(await move(0)).toMatchObject({ moved: 0, removed: 4, waiting: 0 });
  expect([await parquetsIn(join(data, "master")), await parquetsIn(cold)]).toEqual([0, 4]);
  expect(await answers()).toEqual(before);
  expect(await (await fetch(`${platform.url}/metrics`)).text()).toMatch(
    /tidemark_master_files\{.*place="cold"\} 4/,
  );

  // Nobody answers without what is on the disk.
  await rename(cold, `${cold}-unmounted`);
  expect(await sql(counting)).toContain("TIDEMARK_STORE_COLD_MISSING");
  // The run is tried again, and goes on once the disk is back.
  const id = await platform.startRun();
  await expect
    .poll(() => platform.get(`/v1/batch/runs/${id}`))
    .toMatchObject({ error: { code: "TIDEMARK_STORE_COLD_MISSING" } });
  const { position } = await platform.ingest((await flightLines(650)).slice(600).join("\n"));
  await platform.rows("totals-by-hour", { after: position });
  expect(await tidemark("export")).toMatchObject(unmounted());
  await rename(`${cold}-unmounted`, cold);
  await platform.runIsDone(id);
  expect(JSON.parse(await sql(counting))).toMatchObject({ rows: [{ n: 650 }] });
  expect(await tidemark("tier", "--cold", cold)).toMatchObject({
    code: 1,
    out: expect.stringContaining("TIDEMARK_STORE_LOCKED"),
  });
  await platform.stop();
}, 120_000);

test("on a folder at rest files go and come by hand, and it is said how many", async () => {
  const events = await exported();
  expect(events).toHaveLength(651);
  const { code, out } = await tidemark("tier", "--json");
  expect([code, JSON.parse(out)]).toMatchObject([
    0,
    { moved: 4, removed: 4, waiting: 0, hot: { files: 0 }, cold: { files: 8 } },
  ]);
  expect((await tidemark("tier")).out).toMatch(/^nothing is to be moved\nhot: 0 files.*; cold: 8 files, /);
  expect(await exported()).toEqual(events);
  const verified = await tidemark("verify", "--deep");
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("clean") });
  expect(verified.out).toMatch(/✓ checksums +8 files/);
  await rename(cold, `${cold}-unmounted`);
  expect(await tidemark("verify")).toMatchObject(unmounted());
  await rename(`${cold}-unmounted`, cold);

  expect((await tidemark("tier", "--back")).out).toMatch(
    /^8 files, .*, went back; the cold folder is let go of\nhot: 8 files.*; cold: 0 files/,
  );
  expect([await readdir(cold), await exported()]).toEqual([[], events]);
  for (const [args, why] of [
    [[], "has no cold folder yet: name one with --cold"],
    [["--back"], "has no cold folder: all its files are there already"],
    [["--cold", cold, "--cold-after", "90"], "--cold-after 90 is no length of time"],
  ] as const) {
    expect(await tidemark("tier", ...args)).toEqual({ code: 1, out: expect.stringContaining(why) });
  }
}, 120_000);
