import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hotOlderThan } from "../../cli/compaction.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { coldFolderOf, linkColdFolder, turnBack, unlinkColdFolder } from "../../infra/master/cold-folder.ts";
import { noCompaction, thoroughPolicy } from "../../infra/master/compaction-plan.ts";
import { Compactor, type CompactorParts } from "../../infra/master/compactor.ts";
import { Eraser } from "../../infra/master/eraser.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { listFiles } from "../../infra/master/list-files.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { offset } from "../../views/cut.ts";
import { traces } from "../erasures/traces.ts";
import { app, appendOf, thing, topics } from "./some-events.ts";

const dayMs = 86_400_000;
const lifecycle = new Lifecycle();
const signal = new AbortController().signal;
const whole = { mostRecords: Number.POSITIVE_INFINITY, signal };
let root: string;
let duckdb: Duckdb;
let connection: DuckDBConnection;
/**
 * An archive of 60 events in one partition, in files of 5; those before the 31st are a hundred days old, but for one
 * that came late.
 */
let sound: string;
let stores = 0;

const event = (n: number) => ({
  ...{ id: `${n}`, source: "test", partition: 0 },
  time: new Date(Date.now() - (n < 31 || n === 58 ? 100 : 1) * dayMs).toISOString(),
  data: { name: n === 3 || n === 40 ? "somebody" : `thing ${n}`, whole: n },
});

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-tiering-"));
  lifecycle.defer(() => rm(root, { recursive: true, force: true }));
  duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "500MB", threads: 1, temporaryFolder: join(root, "spill") }),
  );
  connection = await duckdb.connect();
  sound = join(root, "sound");
  const log = lifecycle.use(await LmdbLog.open({ path: join(root, "log"), topics, mode: "writer" }));
  await log.append(Array.from({ length: 60 }, (_, n) => appendOf(event(n))));
  const master = await MasterFolder.own(sound, topics);
  const archiver = new Archiver({ app, log, master, duckdb, recordsPerFile: 5 });
  await archiver.archive(await archiver.logEnd());
});

afterAll(() => lifecycle[Symbol.asyncDispose]());

/** A copy of the archive, and a cold folder that nobody uses yet. */
async function stage() {
  const [path, cold] = [join(root, `master-${++stores}`), join(root, `cold-${stores}`)];
  await cp(sound, path, { recursive: true });
  return { path, cold, hotFolder: join(path, thing.name, "0"), coldFolder: join(cold, thing.name, "0") };
}

type Stage = Awaited<ReturnType<typeof stage>>;

function tidying(master: MasterFolder, parts: Partial<CompactorParts> = {}): Compactor {
  return new Compactor({
    ...{ events: app.events, master, duckdb, timers: globalThis, policy: noCompaction, graceMs: 0 },
    ...{ now: () => 0, toMove: hotOlderThan(90 * dayMs) },
    ...parts,
  });
}

async function tier({ path, cold }: Stage, parts: Partial<CompactorParts> = {}) {
  await linkColdFolder(path, cold);
  return tidying(await MasterFolder.own(path, topics), parts).pass(whole);
}

async function rowsOf(path: string): Promise<readonly unknown[]> {
  const paths = (await MasterFolder.read(path, topics).files(thing.name)).map((file) => file.path);
  const read = await connection.runAndReadAll("SELECT * FROM read_parquet($1)", [listValue(paths)]);
  return read.getRowObjectsJson();
}

const placesOf = async (path: string) =>
  (await MasterFolder.read(path, topics).files(thing.name)).map(({ isCold }) => (isCold ? "cold" : "hot"));

const namesIn = (folder: string) => readdir(folder).catch((): string[] => []);

test("files go whose events are all old, and at every step of it, cut short there, the folder reads the same", async () => {
  const rows = await rowsOf(sound);
  const [before, copied, moved] = [await stage(), await stage(), await stage()];
  for (const each of [before, copied, moved]) {
    const [file = ""] = await namesIn(each.hotFolder);
    // Values of a younger field stand beside a file; here nobody reads them.
    await writeFile(join(each.hotFolder, `${file.split(".")[0]}.early-2.parquet`), "early");
  }
  expect(await tier(copied, { graceMs: 1 })).toMatchObject({ moved: 6, removed: 0, waiting: 6 });
  const { movedBytes } = await tier(moved);
  expect(movedBytes).toBeGreaterThan(1_000);
  // The seventh file has an event that is old, and others.
  expect(await placesOf(moved.path)).toEqual([...Array(6).fill("cold"), ...Array(6).fill("hot")]);
  const [gone, left] = [await namesIn(before.hotFolder), await namesIn(moved.hotFolder)];
  const removals = gone.filter((name) => !left.includes(name));
  expect(removals).toHaveLength(13);
  expect((await namesIn(moved.coldFolder)).sort()).toEqual(removals.sort());
  // Of each file its early values, then its checksum, then itself.
  const order = (name: string) =>
    name.slice(0, 33) + [".early", ".sha256", ""].findIndex((s) => name.includes(s));
  const additions = [...removals].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  await linkColdFolder(before.path, before.cold);
  await mkdir(before.coldFolder, { recursive: true });
  await writeFile(join(before.coldFolder, ".aside-dead-1-0.parquet"), "half");
  const steps = [
    ...additions.map((name) => () => cp(join(copied.coldFolder, name), join(before.coldFolder, name))),
    ...removals.map((name) => () => rm(join(before.hotFolder, name))),
  ];
  for (const [i, step] of steps.entries()) {
    await step();
    expect(await rowsOf(before.path)).toEqual(rows);
    if (i % 5 !== 0) continue;
    const next = await stage();
    await rm(next.path, { recursive: true });
    await cp(before.path, next.path, { recursive: true });
    await cp(before.cold, next.cold, { recursive: true });
    await tier(next);
    expect(await rowsOf(next.path)).toEqual(rows);
    expect(await namesIn(next.hotFolder)).toEqual(left);
    expect((await namesIn(next.coldFolder)).sort()).toEqual(removals);
  }
});

test("a file that was written lately waits, so that compaction has its turn", async () => {
  const there = await stage();
  const toMove = hotOlderThan(90 * dayMs, dayMs);
  expect(await tier(there, { toMove })).toMatchObject({ moved: 0 });
  const yesterday = new Date(Date.now() - dayMs);
  const [, second = ""] = (await namesIn(there.hotFolder)).filter((name) => name.endsWith(".parquet"));
  await utimes(join(there.hotFolder, second), yesterday, yesterday);
  expect(await tier(there, { toMove })).toMatchObject({ moved: 1, removed: 1 });
  expect(await namesIn(there.coldFolder)).toContain(second);
});

test("a file that is damaged, or copied wrongly, does not go", async () => {
  const damaged = await stage();
  const [file = ""] = (await namesIn(damaged.hotFolder)).filter((name) => name.endsWith(".parquet"));
  const bytes = await readFile(join(damaged.hotFolder, file));
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(join(damaged.hotFolder, file), bytes);
  await expect(tier(damaged, { toMove: async (_, files) => files.slice(0, 1) })).rejects.toMatchObject({
    code: "TIDEMARK_STORE_CORRUPT",
  });
  expect(await namesIn(damaged.coldFolder)).toEqual([]);
  expect(await namesIn(damaged.hotFolder)).toContain(file);
});

test("compaction makes one file of those that are hot, and none of the cold; they come back as they went", async () => {
  const rows = await rowsOf(sound);
  const there = await stage();
  await tier(there);
  const cold = await namesIn(there.coldFolder);
  const master = await MasterFolder.own(there.path, topics);
  const { replaced, written } = await tidying(master, { policy: thoroughPolicy }).pass(whole);
  expect([replaced, written]).toEqual([6, 1]);
  expect(await namesIn(there.coldFolder)).toEqual(cold);
  expect(await rowsOf(there.path)).toEqual(rows);
  // What compaction has plans for does not go, even if it is old.
  const planned = await stage();
  expect(await tier(planned, { policy: thoroughPolicy })).toMatchObject({
    replaced: 12,
    written: 1,
    moved: 0,
  });

  await turnBack(there.path);
  const back = tidying(master, { toMove: async (_, files) => files.filter(({ isCold }) => isCold) });
  expect(await back.pass(whole)).toMatchObject({ moved: 6, removed: 6 });
  expect(await namesIn(there.coldFolder)).toEqual([]);
  expect(await rowsOf(there.path)).toEqual(rows);
  expect(await unlinkColdFolder(there.path)).toBe(true);
  expect([await coldFolderOf(there.path), await namesIn(there.cold)]).toEqual([undefined, []]);
  expect(await rowsOf(there.path)).toEqual(rows);
});

test("an erasure leaves nothing in either folder, of a file that is in both as well", async () => {
  for (const graceMs of [0, 1]) {
    const there = await stage();
    await tier(there, { graceMs });
    const master = await MasterFolder.own(there.path, topics);
    const eraser = new Eraser({ app, master, duckdb, timers: globalThis });
    // The type declares no key: an event's id is one.
    const bound = { [thing.name]: [60, 0, 0].map(offset) };
    const leaving = ["3", "40"].map((key) => ({ key, type: null, bound, askedAt: "2026-01-01T00:00:00Z" }));
    const marks = ["somebody"];
    expect(await traces(there.path, marks)).not.toEqual([]);
    expect(await traces(there.cold, marks)).not.toEqual([]);
    await eraser.takeOut(leaving, signal);
    await eraser.removeFormer(signal);
    expect([await traces(there.path, marks), await traces(there.cold, marks)]).toEqual([[], []]);
    expect(await rowsOf(there.path)).toHaveLength(58);
    expect(
      (await namesIn(there.coldFolder)).filter((name) => name.includes(".erased-1-1.parquet")),
    ).toHaveLength(1);
    expect(await placesOf(there.path)).toEqual([...Array(6).fill("cold"), ...Array(6).fill("hot")]);
  }
});

test("a cold folder that is not there, or is another's, is an error that names it, and never fewer facts", async () => {
  const [there, other] = [await stage(), await stage()];
  await tier(there);
  const missing = { code: "TIDEMARK_STORE_COLD_MISSING", message: expect.stringContaining(there.cold) };
  const foreign = { code: "TIDEMARK_STORE_COLD_FOREIGN", message: expect.stringContaining(there.cold) };
  await rename(there.cold, `${there.cold}-unmounted`);
  await expect(rowsOf(there.path)).rejects.toMatchObject(missing);
  await mkdir(there.cold);
  const master = await MasterFolder.own(there.path, topics);
  await expect(master.cut()).rejects.toMatchObject(missing);
  await expect(tidying(master).pass(whole)).rejects.toMatchObject(missing);
  await expect(linkColdFolder(there.path, other.cold)).rejects.toMatchObject({ code: "TIDEMARK_CONFIG" });
  await rm(there.cold, { recursive: true });
  await rename(`${there.cold}-unmounted`, there.cold);
  expect(await master.cut()).toMatchObject({ [thing.name]: [60, 0, 0] });

  await expect(linkColdFolder(other.path, there.cold)).rejects.toMatchObject(foreign);
  await writeFile(join(root, "something"), "x");
  await expect(linkColdFolder(other.path, root)).rejects.toMatchObject({
    code: "TIDEMARK_STORE_COLD_FOREIGN",
  });
  await expect(linkColdFolder(other.path, join(other.path, "cold"))).rejects.toMatchObject({
    code: "TIDEMARK_CONFIG",
  });
  // A copy of the data folder may read, and writes only in a copy of the cold one.
  const [copy, coldCopy] = [`${there.path}-copy`, `${there.cold}-copy`];
  await cp(there.path, copy, { recursive: true });
  expect(await rowsOf(copy)).toHaveLength(60);
  await expect(MasterFolder.own(copy, topics)).rejects.toMatchObject(foreign);
  await expect(linkColdFolder(copy, there.cold)).rejects.toMatchObject(foreign);
  await cp(there.cold, coldCopy, { recursive: true });
  await linkColdFolder(copy, coldCopy);
  await MasterFolder.own(copy, topics);
  // One that was moved goes on with it.
  await rename(there.path, `${there.path}-moved`);
  await expect(MasterFolder.own(`${there.path}-moved`, topics)).rejects.toMatchObject(foreign);
  await linkColdFolder(`${there.path}-moved`, there.cold);
  await MasterFolder.own(`${there.path}-moved`, topics);
  expect(await rowsOf(`${there.path}-moved`)).toHaveLength(60);
});

test("wherever copies of files are, the same ranges are read, each from where files are on their way to", async () => {
  const there = await stage();
  await tier(there, { graceMs: 1, toMove: async (_, files) => files });
  const all = await namesIn(there.coldFolder);
  const records = all.filter((name) => name.endsWith(".parquet"));
  const master = MasterFolder.read(there.path, topics);
  const places = fc.array(fc.constantFrom("hot", "cold", "both"), {
    minLength: records.length,
    maxLength: records.length,
  });
  await fc.assert(
    fc.asyncProperty(places, fc.boolean(), async (chosen, isBack) => {
      if (isBack) await turnBack(there.path);
      else await linkColdFolder(there.path, there.cold);
      for (const [i, name] of records.entries()) {
        for (const [place, folder] of [
          ["hot", there.hotFolder],
          ["cold", there.coldFolder],
        ] as const) {
          if (chosen[i] === place || chosen[i] === "both") await writeFile(join(folder, name), "x");
          else await rm(join(folder, name), { force: true });
        }
      }
      const files = await master.files(thing.name);
      expect(files.map(({ from, next }) => [from, next])).toEqual(records.map((_, i) => [i * 5, i * 5 + 5]));
      const expected = chosen.map((each) => (each === "both" ? (isBack ? "hot" : "cold") : each));
      expect(files.map(({ isCold }) => (isCold ? "cold" : "hot"))).toEqual(expected);
      const replaced = (await master.replaced(thing.name, 0)).map(({ path }) => path);
      const taken = new Set(files.map(({ path }) => path));
      const others = (await listFiles(there.path, thing.name, 0)).filter(
        ({ kind, path }) => kind === "records" && !taken.has(path),
      );
      expect(replaced).toEqual(expect.arrayContaining(others.map(({ path }) => path)));
      expect(replaced.some((path) => taken.has(path))).toBe(false);
    }),
    { numRuns: 15 },
  );
});
