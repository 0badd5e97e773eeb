import { cp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { listValue } from "@duckdb/node-api";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { archivedIds } from "../../infra/master/archived-ids.ts";
import { type CompactionPolicy, planCompaction, thoroughPolicy } from "../../infra/master/compaction-plan.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import type { MasterFile } from "../../infra/master/master.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { offset } from "../../views/cut.ts";
import { ArchiveHere, signal, wholePass } from "./archive-here.ts";
import { app, appendOf, plainThing, thing, topics } from "./some-events.ts";

let here: ArchiveHere;

beforeEach(async () => {
  here = await ArchiveHere.open(2);
});

afterEach(() => here[Symbol.asyncDispose]());

/** All that readers see, in the order they see it. */
const rowsOf = (master: MasterFolder) => here.select("*", master);

async function columnsOf(master: MasterFolder): Promise<ReadonlySet<string>> {
  const paths = (await master.files(thing.name)).map(({ path }) => path);
  const reader = await here.connection.runAndReadAll(
    "SELECT file_name, string_agg(concat_ws(' ', name, type, converted_type, logical_type), ',' ORDER BY column_id) FROM parquet_schema($1) GROUP BY 1",
    [listValue(paths)],
  );
  return new Set(reader.getRows().map(([, columns]) => String(columns)));
}

/** An archive of a log, and another of the same log that is never compacted. */
async function twins(recordsPerFile: number) {
  const root = here.newPath("master");
  const [log, master, plain] = [await here.log(), await here.master(topics, root), await here.master()];
  const archivers = [master, plain].map(
    (each) => new Archiver({ app, log, master: each, duckdb: here.duckdb, recordsPerFile }),
  );
  let appended = 0;
  const append = async (count: number) => {
    const events = Array.from({ length: count }, (_, i) => plainThing(appended + i)).map((event, i) =>
      i % 3 === 2
        ? {
            ...event,
            id: String(appended + i - 3),
            extra: { note: `extra ${i}` },
            data: { ...event.data, flag: i % 2 === 0, weight: i / 7 },
          }
        : event,
    );
    appended += count;
    await log.append(events.map(appendOf));
    for (const archiver of archivers) await archiver.archive(await archiver.logEnd());
  };
  return { root, master, plain, append };
}

const step = fc.oneof(
  fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({
    kind: fc.constant("compact" as const),
    policy: fc.record({
      leastFiles: fc.integer({ min: 2, max: 5 }),
      growth: fc.constantFrom(1, 2, 4),
      targetRecords: fc.integer({ min: 2, max: 60 }),
      targetBytes: fc.constantFrom(10_000, 1_000_000),
    }),
    graceMs: fc.constantFrom(0, 1),
    mostRecords: fc.constantFrom(5, Number.POSITIVE_INFINITY),
    /** Of the files that the pass removed, those that a crash would have left. */
    left: fc.infiniteStream(fc.boolean()).map((stream) => () => stream.next().value === true),
  }),
);

test("whatever is appended, compacted and cut short by a crash, records are read as they were appended", async () => {
  let replaced = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 9 }), async (steps) => {
      const { root, master, plain, append } = await twins(4);
      const folder = join(root, thing.name);
      for (let i = 0; i < 3; i++) await append(12);
      for (const each of steps) {
        if (each.kind === "append") await append(each.count);
        else {
          const before = here.newPath("before");
          await cp(folder, before, { recursive: true });
          const compactor = here.compactor(master, { policy: each.policy, graceMs: each.graceMs });
          replaced += (await compactor.pass({ mostRecords: each.mostRecords, signal })).replaced;
          for (const partition of ["0", "1", "2"]) {
            const there = new Set(await readdir(join(folder, partition)));
            for (const file of await readdir(join(before, partition))) {
              if (there.has(file) || !each.left()) continue;
              await cp(join(before, partition, file), join(folder, partition, file));
            }
            await writeFile(join(folder, partition, ".aside-dead-1-0.parquet"), "half");
          }
          await rm(before, { recursive: true });
        }
        expect(await rowsOf(master)).toEqual(await rowsOf(plain));
        expect(await master.cut()).toEqual(await plain.cut());
      }
      replaced += (await here.compactor(await MasterFolder.own(root, topics)).pass(wholePass)).replaced;
      expect(await rowsOf(master)).toEqual(await rowsOf(plain));
      expect(await columnsOf(master)).toEqual(await columnsOf(plain));
      const files = await master.files(thing.name);
      expect(files.length).toBeLessThanOrEqual(thing.partitions);
      for (const partition of ["0", "1", "2"]) {
        const names = await readdir(join(folder, partition));
        expect(names.filter((file) => file.endsWith(".parquet")).length).toBeLessThanOrEqual(1);
        expect(names.filter((file) => file.endsWith(".sha256")).length).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 8 },
  );
  // Three files of three partitions and more in each run, of which one a partition is left.
  expect(replaced).toBeGreaterThanOrEqual(8 * 9);
}, 120_000);

test("replaced files stay while work of this process reads, and for as long as readers elsewhere may take", async () => {
  const { master, append } = await twins(2);
  await append(30);
  let nowMs = 0;
  const compactor = here.compactor(master, { graceMs: 100, now: () => nowMs });
  const paths = (await master.files(thing.name)).map(({ path }) => path);
  const areThere = async () => {
    const names = (
      await Promise.all(["0", "1", "2"].map((p) => readdir(join(paths[0] ?? "", "../..", p))))
    ).flat();
    return paths.filter((path) => names.includes(path.split("/").at(-1) ?? "")).length;
  };
  expect(await compactor.pass(wholePass)).toMatchObject({
    replaced: 15,
    written: 3,
    removed: 0,
    waiting: 15,
  });
  nowMs = 99;
  expect(await compactor.pass(wholePass)).toMatchObject({ replaced: 0, written: 0, removed: 0, waiting: 15 });
  nowMs = 500;
  await compactor.whileReading(async () => {
    expect(await compactor.pass(wholePass)).toMatchObject({
      replaced: 0,
      written: 0,
      removed: 0,
      waiting: 0,
    });
    expect(await areThere()).toBe(15);
  });
  // Another process knows only what it has seen.
  expect(await here.compactor(master, { graceMs: 100 }).pass(wholePass)).toMatchObject({
    removed: 0,
    waiting: 15,
  });
  expect(await compactor.pass(wholePass)).toMatchObject({ replaced: 0, written: 0, removed: 15, waiting: 0 });
  expect(await master.files(thing.name)).toHaveLength(3);
});

test("a large file that is damaged keeps the small ones in place", async () => {
  const { master, plain, append } = await twins(2);
  await append(30);
  await here.compactor(master, { graceMs: Number.POSITIVE_INFINITY }).pass(wholePass);
  const [large] = await master.files(thing.name);
  await writeFile(large?.path ?? "", "damaged");
  await expect(here.compactor(master).pass(wholePass)).rejects.toMatchObject({
    code: "TIDEMARK_STORE_CORRUPT",
  });
  await rm(large?.path ?? "");
  expect(await rowsOf(master)).toEqual(await rowsOf(plain));
});

test("a small file that is damaged is named, and goes into no larger one", async () => {
  const { master, append } = await twins(2);
  await append(30);
  const path = (await master.files(thing.name))[1]?.path ?? "";
  await here.connection.run(
    `COPY (SELECT * REPLACE (whole + 1 AS whole, _event_time::TIMESTAMP_MS AS _event_time) FROM read_parquet('${path}')) TO '${path}.new' (FORMAT parquet)`,
  );
  await rename(`${path}.new`, path);
  await expect(here.compactor(master).pass(wholePass)).rejects.toThrow(path);
  expect(await master.files(thing.name)).toHaveLength(15);
});

test("who reads ids while files are removed lists again, and misses none", async () => {
  const { master, plain, append } = await twins(2);
  await append(90);
  const range = { topic: thing.name, partition: 0, from: offset(3), next: offset(28) };
  const idsOf = async (of: Pick<MasterFolder, "files">) => {
    const ids: string[] = [];
    for await (const { id } of archivedIds(here.connection, of, range)) ids.push(id);
    return ids;
  };
  const expected = await idsOf(plain);
  expect(expected).toHaveLength(25);
  let listings = 0;
  const raced = {
    files: async (topic: string) => {
      const files = await master.files(topic);
      if (listings++ === 0) await here.compactor(master).pass(wholePass);
      return files;
    },
  };
  expect(await idsOf(raced)).toEqual(expected);
  expect(listings).toBe(2);
  for (const { path } of await master.files(thing.name)) await writeFile(path, "no Parquet");
  await expect(idsOf(master)).rejects.toThrow(/Parquet|parquet/);
});

test("a pass that is stopped ends with the reason, and the next goes on", async () => {
  const { master, plain, append } = await twins(2);
  await append(60);
  const stop = new AbortController();
  const stopped = here.compactor(master).pass({
    ...wholePass,
    signal: stop.signal,
    progress: () => stop.abort(new Error("enough")),
  });
  await expect(stopped).rejects.toThrow("enough");
  expect(await rowsOf(master)).toEqual(await rowsOf(plain));
  await here.compactor(master).pass(wholePass);
  expect(await master.files(thing.name)).toHaveLength(3);
  expect(await rowsOf(master)).toEqual(await rowsOf(plain));
});

const automatic: CompactionPolicy = { leastFiles: 4, growth: 4, targetRecords: 1_000, targetBytes: 1e9 };

test("a record is rewritten a few times at most, and few files are left, however small they come", () => {
  for (const size of [1, 3, 7]) {
    let files: MasterFile[] = [];
    let rewritten = 0;
    for (let from = 0; from < 20_000; from += size) {
      files.push({
        topic: "t",
        partition: 0,
        from: offset(from),
        next: offset(from + size),
        path: `${from}`,
      });
      const candidates = files.map((file) => ({ file, bytes: 1, shape: "same" }));
      for (const group of planCompaction(candidates, automatic)) {
        const [first, last] = [group[0], group.at(-1)];
        if (first === undefined || last === undefined) throw new Error("an empty group");
        rewritten += last.next - first.from;
        const at = files.indexOf(first);
        files = [...files.slice(0, at), { ...first, next: last.next }, ...files.slice(at + group.length)];
      }
    }
    expect(files.every((file, i) => file.from === (files[i - 1]?.next ?? 0))).toBe(true);
    expect(files.length).toBeLessThan(100);
    expect(rewritten / 20_000).toBeLessThanOrEqual(Math.log(1_000 / size) / Math.log(4));
  }
});

test("files of different columns, and those over the bounds, stay apart", () => {
  const candidates = ["a", "a", "b", "b", "b", "a"].map((shape, i) => ({
    file: { topic: "t", partition: 0, from: offset(10 * i), next: offset(10 * i + 10), path: `${i}` },
    bytes: 10,
    shape,
  }));
  const planned = (policy: Partial<CompactionPolicy>) =>
    planCompaction(candidates, { ...thoroughPolicy, ...policy }).map((group) =>
      group.map(({ path }) => path),
    );
  expect(planned({})).toEqual([
    ["0", "1"],
    ["2", "3", "4"],
  ]);
  expect(planned({ targetRecords: 20 })).toEqual([
    ["0", "1"],
    ["2", "3"],
  ]);
  expect(planned({ targetBytes: 19 })).toEqual([]);
  expect(planned({ leastFiles: 3 })).toEqual([["2", "3", "4"]]);
});
