import { readdir } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { earlyValues, readableEarlyValues } from "../../infra/master/early-values.ts";
import { Eraser } from "../../infra/master/eraser.ts";
import { evolvedFilesToSql } from "../../infra/master/evolved-files.ts";
import { recordsFileName } from "../../infra/master/file-names.ts";
import type { MasterFolder } from "../../infra/master/folder.ts";
import { leadingFiles } from "../../infra/master/leading-files.ts";
import type { Erased, MasterFile } from "../../infra/master/master.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { offset } from "../../views/cut.ts";
import { DuplicateWindow } from "../../views/duplicates.ts";
import type { EventType } from "../../views/event.ts";
import type { SqlParameters } from "../../views/expression.ts";
import { defineApp, defineChanges, defineEvent, Type } from "../../views/index.ts";
import { recordType, withFormer } from "../../views/recorded-type.ts";
import type { SubjectFacts } from "../../views/subject.ts";
import { ArchiveHere, signal, wholePass } from "./archive-here.ts";
import { type Thing, thing } from "./some-events.ts";

let here: ArchiveHere;

beforeEach(async () => {
  here = await ArchiveHere.open();
});

afterEach(() => here[Symbol.asyncDispose]());

const partition = 1;

/** An event of a subject: by its id, which is the type's key, or by the attribute, whatever its id. */
interface Sent {
  readonly id: string;
  readonly source: string;
  /** Undefined: the id is the key. */
  readonly key: string | undefined;
}

const sent: fc.Arbitrary<Sent> = fc.record({
  id: fc.constantFrom("a", "b", "c", "d", "é\n"),
  source: fc.constantFrom("s", "t"),
  key: fc.constantFrom(undefined, undefined, "a", "b", "A\u0001"),
});

const keyOf = ({ id, key }: Sent) => key ?? id;

function thingOf({ id, source, key }: Sent): Thing {
  const time = "2026-01-01T00:00:00Z";
  return {
    ...{ id, source, time, partition, data: { name: `of ${key ?? id}`, whole: 1 } },
    ...(key !== undefined && { extra: { partitionkey: key } }),
  };
}

function facts(key: string, next: number): SubjectFacts {
  const bound = { [thing.name]: [0, next, 0].map(offset) };
  return { key, type: null, bound, askedAt: "2026-01-01T00:00:00Z" };
}

/** What the rules give of what was sent and not erased: places, ids, keys and marks. */
function expected(all: readonly Sent[], isErased: (each: Sent, at: number) => boolean): readonly unknown[][] {
  const window = new DuplicateWindow(thing.duplicatesWithin);
  return all.flatMap((each, at) =>
    isErased(each, at)
      ? []
      : [[at, each.source, each.id, `of ${keyOf(each)}`, window.note(each.source, each.id, offset(at))]],
  );
}

const storedIn = (master: MasterFolder) =>
  here.select("CAST(_offset AS DOUBLE), _event_source, _event_id, name, _duplicate", master);

test("what is left after erasures is what the rules give of the other events, duplicates too", async () => {
  const asked = fc.record({
    key: fc.constantFrom("a", "a", "b", "A\u0001", "nobody"),
    share: fc.constantFrom(1, 0.9, 0.5),
  });
  let [erased, unmarked] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.array(sent, { minLength: 15, maxLength: 40 }),
      fc.array(sent, { maxLength: 15 }),
      fc.array(asked, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      async (before, after, erasures, compacts) => {
        const { master, send, eraser, takeOut } = await here.things(5);
        await send(before.map(thingOf));
        const subjects = erasures.map(({ key, share }) => facts(key, Math.round(share * before.length)));
        const isErased = (each: Sent, at: number) =>
          subjects.some((s) => s.key === keyOf(each) && at < Number(s.bound[thing.name]?.[partition]));
        const found = await eraser.count(subjects, signal);
        const total = found.reduce((sum, { records }) => sum + (records[thing.name] ?? 0), 0);
        expect(total).toBe(before.filter(isErased).length);
        await takeOut(...subjects);
        expect(await storedIn(master)).toEqual(expected(before, isErased));
        await eraser.removeFormer(signal);
        const [first] = await eraser.count(subjects, signal);
        expect(first).toEqual({ records: {}, files: 0 });
        // New events are duplicates of those that are left, and of no others.
        await send(after.map(thingOf));
        if (compacts) await here.compactor(master).pass(wholePass);
        const stored = await storedIn(master);
        expect(stored).toEqual(expected([...before, ...after], isErased));
        const files = await master.files(thing.name);
        expect(files.reduce((sum, file) => sum + (file.erased?.records ?? 0), 0)).toBe(total);
        expect(stored.length + total).toBe(before.length + after.length);
        erased += total;
        const marks = expected([...before, ...after], () => false);
        unmarked += marks.filter(
          ([at, , , , was]) => was === true && stored.some((row) => row[0] === at && row[4] === false),
        ).length;
      },
    ),
    { numRuns: 6 },
  );
  expect(erased).toBeGreaterThan(10);
  expect(unmarked).toBeGreaterThan(0);
}, 60_000);

test("of former files, and those of a crash, none counts and all go", async () => {
  const root = here.newPath("master");
  const { master, send, eraser, takeOut } = await here.things(5, root);
  const folder = join(root, thing.name, String(partition));
  const of = (id: string) => thingOf({ id, source: "s", key: undefined });
  await send(["a", "b", "c", "d", "a", "b", "c"].map(of));
  const names = async () => (await readdir(folder)).filter((name) => name.endsWith(".parquet")).sort();
  expect(await names()).toEqual([
    "0000000000000000-0000000000000005.parquet",
    "0000000000000005-0000000000000007.parquet",
  ]);
  await takeOut(facts("a", 7));
  expect(await names()).toHaveLength(3);
  // Of the first file two records are gone; "b" and "c" of the second stay duplicates, as they were.
  expect((await master.files(thing.name)).map(({ erased }) => erased)).toEqual([
    { times: 1, records: 2 },
    undefined,
  ]);
  await takeOut(facts("b", 7));
  await eraser.removeFormer(signal);
  expect(await names()).toEqual([
    "0000000000000000-0000000000000005.erased-2-3.parquet",
    "0000000000000005-0000000000000007.erased-1-1.parquet",
  ]);
  expect(await readdir(folder)).toHaveLength(4);
});

test("a file from before an erasure never counts again, however large it is", () => {
  const file = (from: number, next: number, erased?: Erased): MasterFile => ({
    ...{ topic: thing.name, partition, from: offset(from), next: offset(next), ...(erased && { erased }) },
    path: recordsFileName(offset(from), offset(next), erased),
  });
  const [large, first, second] = [file(0, 10), file(0, 5, { times: 1, records: 2 }), file(5, 10)];
  expect(leadingFiles([file(0, 5), first, large, second])).toEqual([first, second]);
  const compacted = file(0, 10, { times: 1, records: 2 });
  expect(leadingFiles([first, large, compacted, second])).toEqual([compacted]);
  const again = file(5, 10, { times: 1, records: 1 });
  expect(leadingFiles([first, large, compacted, second, again])).toEqual([first, again]);
  // What leads further counts in any case.
  expect(leadingFiles([first, file(0, 12), second])).toEqual([file(0, 12)]);
});

test("values of fields from before they were declared go with their records, and those of others stay", async () => {
  const declare = (more: object): EventType =>
    defineEvent({
      name: "shop.order.placed",
      partitions: 1,
      schema: Type.Object({ customer: Type.String(), ...more }),
      key: (f) => f.customer,
    }) as unknown as EventType;
  const [first, grown] = [declare({}), declare({ rate: Type.Optional(Type.Integer()) })];
  const former = [{ schema: recordType(first).schema, next: [offset(8)] }];
  const second = withFormer(grown, { ...recordType(grown), former });
  const ofOrders = [{ name: first.name, partitions: 1 }];
  const { duckdb, connection } = here;
  const root = here.newPath("master");
  const [log, master] = [await here.log(ofOrders), await here.master(ofOrders, root)];
  const base = defineApp({ name: "shop", views: [], events: [declare({})] });
  const archive = async (type: EventType, from: number, next: number) => {
    const records = Array.from({ length: next - from }, (_, i) => {
      const data = { customer: `C-${(from + i) % 3}`, rate: from + i };
      const event = { id: `id-${from + i}-C-${(from + i) % 3}`, source: "test", type: first.name, data };
      const value = Buffer.from(
        JSON.stringify({ ...event, specversion: "1.0", time: "2026-01-01T00:00:00Z" }),
      );
      return { topic: first.name, partition: 0, key: null, value };
    });
    await log.append(records);
    const archiver = new Archiver({ app: { ...base, events: [type] }, log, master, duckdb });
    await archiver.archive(await archiver.logEnd());
  };
  await archive(first, 0, 8);
  await archive(second, 8, 14);
  const reader = await duckdb.connect();
  await earlyValues({ connection, reader }, second, await master.files(first.name));

  const bound = { [first.name]: [offset(11)] };
  const subjects = [{ key: "C-1", type: null, bound, askedAt: "2026-01-01T00:00:00Z" }];
  const eraser = new Eraser({ app: { events: [second] }, master, duckdb, timers: globalThis });
  expect(await eraser.count(subjects, signal)).toEqual([{ records: { [first.name]: 4 }, files: 2 }]);
  await eraser.takeOut(subjects, signal);
  await eraser.removeFormer(signal);
  const files = await master.files(first.name);
  const early = await readableEarlyValues(second, files);
  expect(early).toHaveLength(1);
  const parameters: SqlParameters = { values: [] };
  const covered = files.map(({ path }) => path);
  const sql = evolvedFilesToSql({ event: second, covered, straddling: [], early }, parameters);
  const read = await connection.runAndReadAll(
    `SELECT CAST(rate AS DOUBLE) FROM (${sql}) ORDER BY _offset`,
    parameters.values as string[],
  );
  expect(read.getRows().flat()).toEqual([0, 2, 3, 5, 6, 8, 9, 11, 12, 13]);
  const folder = join(root, first.name, "0");
  for (const name of (await readdir(folder)).filter((each) => each.endsWith(".parquet"))) {
    const all = await connection.runAndReadAll("SELECT * FROM read_parquet($1) WHERE _offset < 11", [
      join(folder, name),
    ]);
    expect(JSON.stringify(all.getRowObjectsJson())).not.toContain("C-1");
  }
});

test("changes stand under their row's key, of which each column counts with its type", async () => {
  const lines = defineChanges({
    name: "shop.public.lines",
    row: Type.Object({ order: Type.Integer(), line: Type.String(), units: Type.Integer() }),
    key: ["order", "line"],
    partitions: 1,
  });
  const ofLines = [{ name: lines.name, partitions: 1 }];
  const { duckdb } = here;
  const [log, master] = [await here.log(ofLines), await here.master(ofLines)];
  const app = defineApp({ name: "shop", views: [], events: [lines] });
  const source = { connector: "postgresql", name: "shop", schema: "public", table: "lines", ts_ms: 1 };
  const changes = [
    ...[0, 1, 2, 3].map((i) => ({ op: "c", after: { line: "7", order: i % 2 ? 7 : 8, units: i } })),
    { op: "u", after: { line: "\u0001é", order: 7, units: 4 } },
    { op: "d", before: { line: "\u0001é", order: 7 } },
  ];
  await log.append(
    changes.map((change, i) => {
      const value = Buffer.from(JSON.stringify({ ...change, source: { ...source, lsn: i + 1 } }));
      return { topic: lines.name, partition: 0, key: null, value };
    }),
  );
  const archiver = new Archiver({ app, log, master, duckdb });
  await archiver.archive(await archiver.logEnd());
  const eraser = new Eraser({ app, master, duckdb, timers: globalThis });
  const subject = (key: string): SubjectFacts => ({
    ...{ key, type: null, bound: { [lines.name]: [offset(6)] }, askedAt: "2026-01-01T00:00:00Z" },
  });
  const keys = [
    ...['{"order":7,"line":"7"}', JSON.stringify({ order: 7, line: "\u0001é" })],
    ...['{"order":"7","line":"7"}', '{"line":"7","order":7}', '{"order":7}', "7", "null", "{"],
  ];
  const counted = await eraser.count(keys.map(subject), signal);
  expect(counted.map(({ records }) => records[lines.name] ?? 0)).toEqual([2, 2, 0, 0, 0, 0, 0, 0]);
  expect(await eraser.count([subject("nobody")], signal)).toMatchObject([{ files: 0 }]);
  await eraser.takeOut([subject(keys[0] ?? "")], signal);
  const left = await here.select("CAST(_offset AS DOUBLE)", master, lines.name);
  expect(left.flat()).toEqual([0, 2, 4, 5]);
});
