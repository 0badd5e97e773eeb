import { listValue } from "@duckdb/node-api";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { MasterFolder } from "../../infra/master/folder.ts";
import { Archiver, type ArchiverParts } from "../../ingestion/archive.ts";
import { type Cut, offset } from "../../views/cut.ts";
import { ArchiveHere } from "./archive-here.ts";
import { app, appendOf, plainThing, type Thing, textOf, thing } from "./some-events.ts";

let here: ArchiveHere;
let log: LmdbLog;

beforeEach(async () => {
  here = await ArchiveHere.open(2);
  log = await here.log();
});

afterEach(() => here[Symbol.asyncDispose]());

function archiverOf(master: MasterFolder, parts: Partial<ArchiverParts> = {}): Archiver {
  return new Archiver({ app, log, master, duckdb: here.duckdb, ...parts });
}

/** All rows in the order in which they stand in the files, by partition. */
async function rowsOf(master: MasterFolder): Promise<readonly Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (const file of await master.files(thing.name)) {
    const reader = await here.connection.runAndReadAll(
      "SELECT * EXCLUDE (_event_time), epoch_ms(_event_time) AS _event_time FROM read_parquet($1)",
      [listValue([file.path])],
    );
    for (const row of reader.getRowObjects()) {
      const at = Number(row._offset);
      expect(at >= file.from && at < file.next).toBe(true);
      expect(row._partition).toBe(file.partition);
      rows.push(row);
    }
  }
  return rows;
}

/** By the rule's own words: the same (source, id) stands among the N records before it. */
function isDuplicate(events: readonly Thing[], i: number): boolean {
  const before = events.slice(Math.max(0, i - thing.duplicatesWithin), i);
  return before.some(({ source, id }) => source === events[i]?.source && id === events[i]?.id);
}

/** What the master dataset must hold for these events. */
function expectedRows(events: readonly Thing[]): readonly Record<string, unknown>[] {
  return Array.from({ length: thing.partitions }, (_, p) =>
    events.filter(({ partition }) => partition === p),
  ).flatMap((inPartition) =>
    inPartition.map((event, i) => {
      const whole = (value: unknown) => (value === undefined ? null : BigInt(value as number));
      const { name, note, whole: number, maybeWhole, weight, flag, ...others } = event.data;
      const hasRest = Object.keys(others).length + Object.keys(event.extra ?? {}).length > 0;
      const isCanonical = /^.{10}T.{8}(\....)?Z$/.test(event.time);
      return {
        _partition: event.partition,
        _offset: BigInt(i),
        _event_id: event.id,
        _event_source: event.source,
        _event_time: BigInt(Date.parse(event.time)),
        _duplicate: isDuplicate(inPartition, i),
        _rest: hasRest || !isCanonical ? textOf(event) : null,
        name,
        note: note ?? null,
        whole: whole(number),
        maybeWhole: whole(maybeWhole),
        weight: weight === undefined ? null : (weight as number) + 0,
        flag: flag ?? null,
      };
    }),
  );
}

const text = fc.oneof(
  fc.constantFrom("", "a", "a\0b", "\0", "é", "😀", "\uffff", "it's", '"', "x".repeat(5_000)),
  fc.string({ unit: "grapheme", maxLength: 4 }),
);
const time = fc.oneof(
  fc
    .date({
      min: new Date("0001-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59.999Z"),
      noInvalidDate: true,
    })
    .map((date) => date.toISOString()),
  fc.constantFrom(
    "1969-12-31T23:59:59Z",
    "2026-01-01T02:00:00+02:00",
    "2026-01-01t00:00:00z",
    "2026-01-01t00:00:00Z",
    "2026-01-01T00:00:00.5Z",
  ),
);
const integer = fc.oneof(fc.constantFrom(0, -0, -1), fc.maxSafeInteger());
const thingOf: fc.Arbitrary<Thing> = fc.record(
  {
    id: fc.constantFrom("1", "2", "3", "4", "5", "6", "7", "8"),
    source: fc.constantFrom("a", "b"),
    time,
    partition: fc.integer({ min: 0, max: thing.partitions - 1 }),
    data: fc.record(
      {
        name: text,
        note: text,
        whole: integer,
        maybeWhole: integer,
        weight: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(-0)),
        flag: fc.boolean(),
        unknown: fc.anything({ maxDepth: 1, values: [fc.integer(), fc.boolean()] }).map((value) => [value]),
      },
      { requiredKeys: ["name", "whole"], noNullPrototype: true },
    ),
    extra: fc.constantFrom({ partitionkey: "k" }, { traceparent: "00-1" }),
  },
  { requiredKeys: ["id", "source", "time", "partition", "data"], noNullPrototype: true },
);
const things = fc.array(thingOf, { maxLength: 120, size: "max" });

test("the Parquet files hold every record once, in order, typed, and mark duplicates by the rule", async () => {
  await fc.assert(
    fc.asyncProperty(things, async (events) => {
      log = await here.log();
      await log.append(events.map(appendOf));
      const master = await here.master();
      const archiver = archiverOf(master);
      const end = await archiver.logEnd();
      expect(await archiver.archive(end)).toEqual(end);
      expect(await rowsOf(master)).toEqual(expectedRows(events));
    }),
    { numRuns: 25 },
  );
});

test("archiving in many small steps, by archivers in turn and in small files, equals archiving in one", async () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.boolean()), {
    maxLength: 5,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(
      things,
      steps,
      fc.integer({ min: 1, max: 50 }),
      async (events, steps, recordsPerFile) => {
        log = await here.log();
        const master = await here.master();
        const [one, another] = [
          archiverOf(master, { recordsPerFile }),
          archiverOf(master, { recordsPerFile }),
        ];
        let appended = 0;
        for (const [count, isOne] of [...steps, [events.length, true] as const]) {
          await log.append(events.slice(appended, appended + count).map(appendOf));
          appended += count;
          const archiver = isOne ? one : another;
          await archiver.archive(await archiver.logEnd());
          expect(await archiver.pending()).toBe(0);
        }
        for (const { from, next } of await master.files(thing.name)) {
          expect(next - from).toBeLessThanOrEqual(recordsPerFile);
        }
        expect(await rowsOf(master)).toEqual(expectedRows(events));
      },
    ),
    { numRuns: 15 },
  );
});

test("a new archiver looks exactly as far back for duplicates as one that went on", async () => {
  const fillers = (first: number, count: number) =>
    Array.from({ length: count }, (_, n) => ({ ...plainThing(first + n), partition: 0 }));
  const event = { ...plainThing(0), partition: 0 };
  const master = await here.master();
  const rounds = [
    [event, ...fillers(1, thing.duplicatesWithin - 1)],
    [event, ...fillers(1_000, thing.duplicatesWithin)],
    [event],
  ];
  for (const events of rounds) {
    await log.append(events.map(appendOf));
    const archiver = archiverOf(master);
    await archiver.archive(await archiver.logEnd());
  }
  const rows = (await rowsOf(master)).filter((row) => row._event_id === event.id);
  expect(rows.map((row) => row._duplicate)).toEqual([false, true, false]);
});

test("minus zero is archived as zero, as the fold sees it", async () => {
  const value = Buffer.from(textOf(plainThing(0)).replace('"whole":0', '"whole":-0,"weight":-0'));
  await log.append([{ topic: thing.name, partition: 0, key: null, value }]);
  const master = await here.master();
  const archiver = archiverOf(master);
  await archiver.archive(await archiver.logEnd());
  expect(await rowsOf(master)).toMatchObject([{ whole: 0n, weight: 0 }]);
});

test("chunks, files and row groups keep the order of many records", async () => {
  const count = 30_000;
  await log.append(Array.from({ length: count }, (_, n) => appendOf(plainThing(n))));
  const master = await here.master();
  const archiver = archiverOf(master, { recordsPerFile: 7_000 });
  let archived = 0;
  await archiver.archive(await archiver.logEnd(), {
    progress(records) {
      expect(records).toBeGreaterThan(archived);
      archived = records;
    },
  });
  expect(archived).toBe(count);
  const rows = await rowsOf(master);
  expect(rows.map((row) => Number(row._partition) + thing.partitions * Number(row._offset))).toEqual(
    rows.map((row) => Number(row._event_id)),
  );
  expect(rows).toHaveLength(count);
});

test("partitions that reach the cut already are left alone; a cut beyond the log is refused", async () => {
  await log.append([0, 1, 2, 3, 4].map((n) => appendOf(plainThing(n))));
  const master = await here.master();
  const archiver = archiverOf(master);
  const cutOf = (...nexts: number[]): Cut => ({ [thing.name]: nexts.map(offset) });
  expect(await archiver.archive(cutOf(1, 0, 0))).toEqual(cutOf(2, 0, 0));
  expect(await archiver.pending()).toBe(3);
  await expect(archiver.archive(cutOf(2, 2, 2))).rejects.toMatchObject({
    code: "TIDEMARK_STORE_OUT_OF_RANGE",
  });
  expect(await master.cut()).toEqual(cutOf(2, 0, 0));
  await Promise.all([archiver.archive(cutOf(2, 1, 0)), archiver.archive(cutOf(2, 2, 1))]);
  expect(await master.cut()).toEqual(cutOf(2, 2, 1));
  expect((await master.files(thing.name)).map(({ partition }) => partition)).toEqual([0, 1, 2]);
});

test("an archive that is aborted adds no half file, and the next one finds the same duplicates", async () => {
  const events = Array.from({ length: 6_000 }, (_, n) => ({
    ...plainThing(n),
    id: `${n - (n % 5 === 0 ? 3 : 0)}`,
  }));
  await log.append(events.map(appendOf));
  const master = await here.master();
  const archiver = archiverOf(master, { recordsPerFile: 1_500 });
  const end = await archiver.logEnd();
  for (const abortAt of [1, 2_500, 3_000]) {
    const stop = new AbortController();
    const archiving = archiver.archive(end, {
      signal: stop.signal,
      progress: (records) => void (records >= abortAt && stop.abort(new Error("enough"))),
    });
    await expect(archiving).rejects.toThrow("enough");
  }
  expect(await archiver.archive(end)).toEqual(end);
  expect(await rowsOf(master)).toEqual(expectedRows(events));
});

test("a record that is no event of its topic is handed over, and its offset stays covered", async () => {
  const other = { ...plainThing(3), extra: { type: "test.other.seen" } };
  // Latin-1 is no UTF-8: decoded all the same, "é" would be another text in each layer.
  const latin = Buffer.from(textOf(plainThing(4)).replace("{", '{"note":"é",'), "latin1");
  const values = [
    textOf(plainThing(0)),
    "no JSON",
    '{"id":"1"}',
    textOf(other),
    latin,
    textOf(plainThing(0)),
  ];
  const append = (value: string | Buffer) => ({
    topic: thing.name,
    partition: 0,
    key: null,
    value: Buffer.from(value as string),
  });
  await log.append(values.map(append));
  const master = await here.master();
  const strict = archiverOf(master);
  const end = await strict.logEnd();
  await expect(strict.archive(end)).rejects.toThrow(
    /record 1 of partition 0 .* there is nowhere to keep it: not JSON/,
  );
  expect(await rowsOf(master)).toEqual([]);
  const invalid: unknown[] = [];
  const archiver = archiverOf(master, {
    onInvalid: (record, reason) => void invalid.push([record.offset, Buffer.from(record.value), reason.code]),
  });
  expect(await archiver.archive(end)).toEqual(end);
  expect(invalid).toEqual([
    [1, Buffer.from("no JSON"), "TIDEMARK_EVENT_NOT_JSON"],
    [2, Buffer.from('{"id":"1"}'), "TIDEMARK_EVENT_TIME"],
    [3, Buffer.from(textOf(other)), "TIDEMARK_EVENT_TYPE_UNKNOWN"],
    [4, latin, "TIDEMARK_EVENT_NOT_UTF8"],
  ]);
  const rows = await rowsOf(master);
  expect(rows.map((row) => [row._offset, row._duplicate])).toEqual([
    [0n, false],
    [5n, true],
  ]);
});
