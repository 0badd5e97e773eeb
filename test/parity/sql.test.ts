import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sourceOf } from "../../batch-layer/source.ts";
import { compileSql, copyToParquet } from "../../batch-layer/sql.ts";
import { type BatchRow, readStateRows } from "../../batch-layer/state-rows.ts";
import { type Cut, offset } from "../../views/cut.ts";
import type { FieldsOf } from "../../views/event.ts";
import {
  count,
  defineEvent,
  defineView,
  max,
  mean,
  min,
  sum,
  Type,
  tumbling,
  type View,
  when,
} from "../../views/index.ts";
import { compareKeys, storageKey } from "../../views/key.ts";
import { onlyMapping } from "../../views/mapping.ts";
import { type Fact, MasterInMemory } from "../batch/master-in-memory.ts";
import { DuckdbHere } from "../duckdb-here.ts";

const reading = defineEvent({
  name: "test.reading.taken",
  schema: Type.Object({
    site: Type.String(),
    sensor: Type.Optional(Type.String()),
    level: Type.Integer(),
    weight: Type.Optional(Type.Integer()),
    ratio: Type.Optional(Type.Number()),
    ok: Type.Optional(Type.Boolean()),
  }),
  partitions: 3,
});

interface Reading {
  readonly site: string;
  readonly sensor?: string;
  readonly level: number;
  readonly weight?: number;
  readonly ratio?: number;
  readonly ok?: boolean;
}

let here: DuckdbHere;
beforeAll(async () => {
  here = await DuckdbHere.open(2);
});
afterAll(() => here[Symbol.asyncDispose]());

/** The view's rows over `[0, cut)` of the master, as a run computes and reads them. */
async function statesOf(view: View, master: MasterInMemory, cut: Cut): Promise<BatchRow[]> {
  const { event } = onlyMapping(view);
  const source = sourceOf(event, await master.files(event.name), cut);
  const path = join(here.root, "states.parquet");
  const { sql, parameters } = copyToParquet(compileSql(view, [source]), path);
  await here.connection.run(sql, [...parameters]);
  const rows: BatchRow[] = [];
  for await (const chunk of readStateRows(here.connection, view, [path])) rows.push(...chunk);
  return rows;
}

async function masterOf(partitions: readonly (readonly (readonly Fact[])[])[]): Promise<MasterInMemory> {
  const master = new MasterInMemory(here.connection, await mkdtemp(join(here.root, "master-")));
  for (const [partition, files] of partitions.entries()) {
    for (const facts of files) await master.append(reading, partition, facts);
  }
  return master;
}

/** The state cells that a group's records make, by the words of the aggregates' documentation alone. */
function cellsOf(records: readonly Reading[]): unknown[] {
  const whole = (values: readonly (number | undefined)[]) => {
    const there = values.filter((value) => value !== undefined);
    const total = there.reduce((a, b) => a + BigInt(b), 0n);
    const isSafe = total <= BigInt(Number.MAX_SAFE_INTEGER) && total >= BigInt(Number.MIN_SAFE_INTEGER);
    return { total: isSafe ? Number(total) : total, count: there.length };
  };
  const numbers = (values: readonly (number | undefined)[]) => values.filter((value) => value !== undefined);
  const add = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const weights = numbers(records.map(({ weight }) => weight));
  const ratios = numbers(records.map(({ ratio }) => ratio));
  const levels = whole(records.map(({ level }) => level));
  const allWeights = whole(records.map(({ weight }) => weight));
  const heavy = records.filter(({ weight, ok }) => (weight !== undefined && weight > 5) || ok === true);
  const good = records.filter(({ ok }) => ok === true);
  const noBad = records.filter(({ ok }) => ok === false);
  return [
    records.length,
    levels.total,
    allWeights.count === 0 ? null : allWeights.total,
    ...[levels.total, levels.count],
    ...[allWeights.total, allWeights.count],
    weights.length === 0 ? null : Math.min(...weights),
    ratios.length === 0 ? null : Math.max(...ratios),
    good.length,
    heavy.length === 0 ? null : whole(heavy.map(({ level }) => level)).total,
    ratios.length === 0 ? null : add(ratios),
    ...[add(ratios), ratios.length],
    noBad.length === 0 ? null : Math.max(...noBad.map(({ level }) => level)),
  ];
}

const views = {
  "with a window, a where and nullable dimensions": {
    view: defineView({
      name: "by-sensor-hour",
      from: reading,
      by: (f) => ({ site: f.site, sensor: f.sensor, ok: f.ok, weight: f.weight, hour: tumbling("1h") }),
      where: (f) => f.level.ne(13).and(f.ok.isNull().or(f.weight.gt(0)).or(f.ratio.lte(0.5))),
      measures,
    }),
    key: (r: Reading) => [r.site, r.sensor ?? null, r.ok ?? null, r.weight ?? null],
    width: 3_600_000,
    // Unknown or true is true, unknown or false is unknown, and what is unknown does not count.
    counts: (r: Reading) =>
      r.level !== 13 &&
      (r.ok === undefined ||
        (r.weight !== undefined && r.weight > 0) ||
        (r.ratio !== undefined && r.ratio <= 0.5)),
  },
  "whose dimensions are named after other fields": {
    view: defineView({
      name: "crossed",
      from: reading,
      by: (f) => ({ sensor: f.site, ok: f.level.gt(0) }),
      measures,
    }),
    key: (r: Reading) => [r.site, r.level > 0],
    width: undefined,
    counts: () => true,
  },
  "by expressions": {
    view: defineView({
      name: "computed",
      from: reading,
      by: (f) => ({
        level: when(f.level.gt(5), "high").when(f.ok, f.sensor).otherwise("low"),
        tens: f.weight.plus(1).quotient(10),
        length: f.site.concat("é").length(),
      }),
      where: (f) => f.ratio.times(f.weight).round().coalesce(0).remainder(2).eq(0),
      measures,
    }),
    key: (r: Reading) => [
      r.level > 5 ? "high" : r.ok === true ? (r.sensor ?? null) : "low",
      r.weight === undefined || r.weight === big ? null : Math.floor((r.weight + 1) / 10),
      [...r.site].length + 1,
    ],
    width: undefined,
    counts: ({ ratio = 0, weight = 0 }: Reading) => {
      const nearest = Math.sign(ratio * weight) * Math.round(Math.abs(ratio * weight));
      return !Number.isSafeInteger(nearest) || nearest % 2 === 0;
    },
  },
  "without dimensions": {
    view: defineView({ name: "all", from: reading, by: () => ({ week: tumbling("7d") }), measures }),
    key: () => [],
    width: 7 * 86_400_000,
    counts: () => true,
  },
  "without dimensions and window": {
    view: defineView({ name: "one", from: reading, by: () => ({}), where: (f) => f.ok.not(), measures }),
    key: () => [],
    width: undefined,
    counts: (r: Reading) => r.ok === false,
  },
} as const;

function measures(f: FieldsOf<typeof reading>) {
  return {
    n: count(),
    level_sum: sum(f.level),
    weight_sum: sum(f.weight),
    level_mean: mean(f.level),
    weight_mean: mean(f.weight),
    least: min(f.weight),
    most: max(f.ratio),
    good: count({ where: f.ok }),
    heavy: sum(f.level, { where: f.weight.gt(5).or(f.ok) }),
    ratio_sum: sum(f.ratio),
    ratio_mean: mean(f.ratio),
    worst: max(f.level, { where: f.ok.eq(false) }),
  };
}

const big = Number.MAX_SAFE_INTEGER;
const readings: fc.Arbitrary<Reading> = fc.record(
  {
    site: fc.constantFrom("", "a", "A", "é", "z\0", "z", "😀", "\uffff", "x".repeat(3_000)),
    sensor: fc.constantFrom("", "s1", "s2"),
    level: fc.oneof(fc.integer({ min: -20, max: 20 }), fc.constantFrom(13, big, -big)),
    weight: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.constantFrom(big, big - 1, -big)),
    // Quarters add up exactly, whatever the order.
    ratio: fc.integer({ min: -400, max: 400 }).map((quarters) => quarters / 4),
    ok: fc.boolean(),
  },
  { requiredKeys: ["site", "level"] },
);
const times = fc.oneof(
  fc.integer({ min: -4 * 3_600_000, max: 4 * 3_600_000 }),
  fc.constantFrom(-1, 0, -3_600_000, 3_599_999, -62135596800000, 253402300799999),
);
const facts: fc.Arbitrary<Fact> = fc.record({
  time: times,
  isDuplicate: fc.boolean(),
  data: readings.map((data) => ({ ...data })),
});
/** Up to three partitions of files, and how far the cut reaches into each, 0 … 1. */
const masters = fc.record({
  partitions: fc.array(fc.array(fc.array(facts, { minLength: 1, maxLength: 8 }), { maxLength: 3 }), {
    minLength: 3,
    maxLength: 3,
  }),
  reach: fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1, 0.5), fc.constant(1)),
});

for (const [name, { view, key, width, counts }] of Object.entries(views)) {
  test(`a view ${name} has in SQL the states that its declaration describes`, async () => {
    await fc.assert(
      fc.asyncProperty(masters, async ({ partitions, reach }) => {
        const master = await masterOf(partitions);
        const nexts = partitions.map((files, p) => Math.floor(files.flat().length * (reach[p] ?? 0)));
        const cut = { [reading.name]: nexts.map(offset) };
        const groups = new Map<string, { dimensions: unknown[]; pane: number; records: Reading[] }>();
        for (const [p, files] of partitions.entries()) {
          for (const { time, isDuplicate, data } of files.flat().slice(0, nexts[p])) {
            const record = data as unknown as Reading;
            if (isDuplicate === true || !counts(record)) continue;
            const pane = width === undefined ? 0 : Math.floor(time / width) * width;
            const dimensions: unknown[] = key(record);
            const id = JSON.stringify([dimensions, pane]);
            const group = groups.get(id) ?? { dimensions, pane, records: [] };
            group.records.push(record);
            groups.set(id, group);
          }
        }
        const expected = [...groups.values()]
          .map(({ dimensions, pane, records }) => ({ dimensions, pane, cells: cellsOf(records) }))
          .sort(inOrder);
        const rows = await statesOf(view, master, cut);
        expect(rows.map(({ dimensions, pane, cells }) => ({ dimensions, pane, cells }))).toEqual(expected);
      }),
      { numRuns: 20 },
    );
  });
}

test("rows come in the order of the index, also where their keys are too long for it", async () => {
  const view = defineView({
    name: "long",
    from: reading,
    by: (f) => ({ site: f.site, sensor: f.sensor, hour: tumbling("1h") }),
    measures: () => ({ n: count() }),
  });
  const lengths = [1, 600, 1_860, 1_861, 1_862, 1_868, 1_900, 5_000];
  const facts = lengths.flatMap((length) =>
    ["\0", "a", "b", "c", "é", "😀"].flatMap((end) =>
      [undefined, "", "s"].flatMap((sensor) =>
        [1, -1].map((hour): Fact => {
          const data = { site: "x".repeat(length) + end, sensor, level: 0 };
          return { time: hour * 3_600_000, data };
        }),
      ),
    ),
  );
  const master = await masterOf([[facts], [], []]);
  const rows = await statesOf(view, master, { [reading.name]: [offset(facts.length)] });
  expect(rows).toHaveLength(facts.length);
  const place = ({ dimensions, pane }: BatchRow) => [dimensions[0], dimensions[1], pane];
  expect(rows.map(place)).toEqual([...rows].sort(inOrder).map(place));
});

interface Placed {
  readonly dimensions: readonly unknown[];
  readonly pane: number;
}

function inOrder(a: Placed, b: Placed): number {
  const keyOf = ({ dimensions }: Placed) => storageKey(dimensions as (string | number | boolean | null)[]);
  return compareKeys(keyOf(a), keyOf(b)) || a.pane - b.pane;
}
