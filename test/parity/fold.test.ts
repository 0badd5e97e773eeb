import fc from "fast-check";
import { expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import type { Aggregate } from "../../views/aggregate.ts";
import { count } from "../../views/aggregates/count.ts";
import { max } from "../../views/aggregates/max.ts";
import { mean } from "../../views/aggregates/mean.ts";
import { min } from "../../views/aggregates/min.ts";
import { sum } from "../../views/aggregates/sum.ts";
import type { Offset } from "../../views/cut.ts";
import { defineEvent, type Event, type FieldsOf } from "../../views/event.ts";
import type { BooleanExpression } from "../../views/expressions/typed.ts";
import { Type } from "../../views/index.ts";
import { compareKeys, storageKey } from "../../views/key.ts";
import type { StateRow } from "../../views/state.ts";
import { parseDuration } from "../../views/time.ts";
import { defineView } from "../../views/view.ts";
import { tumbling } from "../../views/window.ts";

interface Data {
  readonly place: string;
  readonly code?: string;
  readonly floor: number;
  readonly level?: number;
  readonly open: boolean;
  readonly flag?: boolean;
  readonly whole: number;
  readonly maybe?: number;
  readonly real?: number;
}

const visit = defineEvent({
  name: "parity.visit.made",
  schema: Type.Object({
    place: Type.String(),
    code: Type.Optional(Type.String()),
    floor: Type.Integer(),
    level: Type.Optional(Type.Integer()),
    open: Type.Boolean(),
    flag: Type.Optional(Type.Boolean()),
    whole: Type.Integer(),
    maybe: Type.Optional(Type.Integer()),
    real: Type.Optional(Type.Number()),
  }),
});
type Fields = FieldsOf<typeof visit>;

/** A condition twice: as it is declared, and what it means in SQL's three-valued logic. */
interface Condition {
  readonly declared: (f: Fields) => BooleanExpression;
  readonly meant: (d: Data) => boolean | null;
}

const conditions: readonly Condition[] = [
  { declared: (f) => f.whole.gt(0), meant: (d) => d.whole > 0 },
  {
    declared: (f) => f.maybe.lte(f.whole),
    meant: (d) => (d.maybe === undefined ? null : d.maybe <= d.whole),
  },
  { declared: (f) => f.flag.eq(true), meant: (d) => d.flag ?? null },
  { declared: (f) => f.flag.not(), meant: (d) => (d.flag === undefined ? null : !d.flag) },
  { declared: (f) => f.code.isNull(), meant: (d) => d.code === undefined },
  { declared: (f) => f.place.in("ä", "", "🛫"), meant: (d) => ["ä", "", "🛫"].includes(d.place) },
  {
    declared: (f) => f.flag.eq(true).or(f.whole.lt(-1)),
    meant: (d) => (d.flag === true || d.whole < -1 ? true : d.flag === undefined ? null : false),
  },
  {
    declared: (f) => f.maybe.ne(3).and(f.open.eq(true)),
    meant: (d) => (d.open === false || d.maybe === 3 ? false : d.maybe === undefined ? null : true),
  },
];

/** A measure twice: as it is declared, and its value over a group's inputs that are not null and whose `where` is true. */
interface Meaning {
  readonly declared: (f: Fields, where: { where?: BooleanExpression }) => Aggregate;
  readonly input: (d: Data) => number | undefined;
  readonly value: (inputs: readonly number[]) => number | bigint | null;
}

const exactSum = (xs: readonly number[]) => {
  const total = xs.reduce((acc, x) => acc + BigInt(x), 0n);
  return BigInt(Number(total)) === total && Number.isSafeInteger(Number(total)) ? Number(total) : total;
};
const least = (xs: readonly number[]) => (xs.length === 0 ? null : Math.min(...xs));
const most = (xs: readonly number[]) => (xs.length === 0 ? null : Math.max(...xs));

const meanings: Readonly<Record<string, Meaning>> = {
  count: { declared: (_f, where) => count(where), input: () => 1, value: (xs) => xs.length },
  sumWhole: {
    declared: (f, where) => sum(f.whole, where),
    input: (d) => d.whole,
    value: (xs) => (xs.length === 0 ? null : exactSum(xs)),
  },
  sumMaybe: {
    declared: (f, where) => sum(f.maybe, where),
    input: (d) => d.maybe,
    value: (xs) => (xs.length === 0 ? null : exactSum(xs)),
  },
  sumReal: {
    declared: (f, where) => sum(f.real, where),
    input: (d) => d.real,
    value: (xs) => (xs.length === 0 ? null : xs.reduce((a, b) => a + b, 0)),
  },
  minMaybe: { declared: (f, where) => min(f.maybe, where), input: (d) => d.maybe, value: least },
  maxReal: { declared: (f, where) => max(f.real, where), input: (d) => d.real, value: most },
  meanWhole: {
    declared: (f, where) => mean(f.whole, where),
    input: (d) => d.whole,
    value: (xs) => (xs.length === 0 ? null : Number(exactSum(xs)) / xs.length),
  },
};

const dimensionNames = ["place", "code", "floor", "level", "open", "flag"] as const;

const whole = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.maxSafeInteger(), fc.constant(-0));
const eventData = fc.record(
  {
    place: fc.constantFrom("", "a", "ä", "🛫", "1:a", "~", "a\u0000", "\uffff", "toString"),
    code: fc.constantFrom("", "~", "null", "x"),
    floor: fc.constantFrom(0, -0, 1, -1, 9007199254740991),
    level: fc.constantFrom(0, 1, 11),
    open: fc.boolean(),
    flag: fc.boolean(),
    whole,
    maybe: whole,
    real: fc.oneof(
      fc.integer({ min: -4096, max: 4096 }).map((n) => n / 64),
      fc.constant(-0),
    ),
  },
  { requiredKeys: ["place", "floor", "open", "whole"] },
);
const time = fc.oneof(
  fc.integer({ min: -7_200_001, max: 7_200_001 }),
  fc.constantFrom(-1, 0, -3_600_000, 3_599_999, -62135596800000, 253402300799999),
);
const event = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  {
    weight: 8,
    arbitrary: fc
      .record({ time, data: eventData })
      .map((each): Event => ({ id: "i", source: "s", type: visit.name, key: "k", ...each })),
  },
);
const spec = fc.record({
  dimensions: fc.uniqueArray(fc.constantFrom(...dimensionNames), { maxLength: 3 }),
  window: fc.constantFrom(undefined, "1h", "7d", "7ms"),
  where: fc.option(fc.constantFrom(...conditions), { nil: undefined }),
  measures: fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(...Object.keys(meanings)),
      where: fc.option(fc.constantFrom(...conditions), { nil: undefined }),
    }),
    { selector: (each) => each.name, minLength: 1, maxLength: 4 },
  ),
});

test("the generated fold gives what the declaration means, whatever the view and the events", () => {
  fc.assert(
    fc.property(spec, fc.array(fc.array(event, { maxLength: 8 }), { maxLength: 6 }), (declared, batches) => {
      const view = defineView({
        name: "parity",
        from: visit,
        by: (f) => ({
          ...Object.fromEntries(declared.dimensions.map((name) => [name, f[name]])),
          ...(declared.window === undefined ? {} : { pane: tumbling(declared.window) }),
        }),
        ...(declared.where === undefined ? {} : { where: declared.where.declared }),
        measures: (f) =>
          Object.fromEntries(
            declared.measures.map(({ name, where }) => [
              name,
              meanings[name]?.declared(f, where === undefined ? {} : { where: where.declared(f) }) ?? count(),
            ]),
          ),
      });

      const segment = new TailSegment(view, 0, 0 as Offset);
      const fold = compileFold(view);
      // Each batch as a consumer hands it over that begins in the midst: what stands before `first` is not folded.
      for (const batch of batches)
        fold(segment, [null, ...batch.slice(0, 1), ...batch], 1 + batch.slice(0, 1).length);

      const groups = new Map<string, { dimensions: unknown[]; pane: number; members: Data[] }>();
      for (const each of batches.flat()) {
        if (each === null) continue;
        const data = each.data as unknown as Data;
        if (declared.where !== undefined && declared.where.meant(data) !== true) continue;
        const width = declared.window === undefined ? undefined : parseDuration(declared.window);
        const pane =
          width === undefined ? 0 : Number(floorDivide(BigInt(each.time), BigInt(width)) * BigInt(width));
        const dimensions = declared.dimensions.map((name) => positiveZero(data[name] ?? null));
        const key = JSON.stringify([dimensions, pane]);
        const group = groups.get(key) ?? { dimensions, pane, members: [] };
        group.members.push(data);
        groups.set(key, group);
      }
      const expected = [...groups.values()].map(({ dimensions, pane, members }) => ({
        dimensions,
        pane,
        values: declared.measures.map(({ name, where }) => {
          const inputs = members
            .filter((data) => where === undefined || where.meant(data) === true)
            .map((data) => meanings[name]?.input(data))
            .filter((input) => input !== undefined)
            .map((input) => input + 0);
          return meanings[name]?.value(inputs);
        }),
      }));
      const actual = [...segment.entries()].map((entry) => ({
        dimensions: entry.dimensions,
        pane: entry.pane,
        values: view.measures.map(({ aggregate, firstCell }) => aggregate.present(entry.cells, firstCell)),
      }));
      expect(inOrder(actual)).toEqual(inOrder(expected));
      expect(segment.size).toBe(actual.length);
      const sorted = segment.sortedRows();
      expect(new Set(sorted)).toEqual(new Set(segment.entries()));
      const positions = sorted.map((row) => [storageKey(row.dimensions), row.pane] as const);
      expect(positions).toEqual([...positions].sort(([a, p], [b, q]) => compareKeys(a, b) || p - q));
      expect(new Set(segment.dirty)).toEqual(new Set(segment.entries()));
    }),
    { numRuns: 400 },
  );
});

test("an entry is listed as dirty once however often it changes, and again after it was taken", () => {
  const view = defineView({
    name: "dirty",
    from: visit,
    by: (f) => ({ place: f.place }),
    measures: () => ({ n: count() }),
  });
  const fold = compileFold(view);
  const segment = new TailSegment(view, 0, 0 as Offset);
  const at = (place: string): Event => ({
    id: "i",
    source: "s",
    type: visit.name,
    key: "k",
    time: 0,
    data: { place, floor: 0, open: true, whole: 1 },
  });
  fold(segment, [at("a"), at("b"), at("a")], 0);
  const first = segment.takeDirty();
  fold(segment, [at("b"), at("b")], 0);
  const places = (rows: Iterable<StateRow>) => [...rows].map((row) => [row.dimensions[0], row.cells[0]]);
  // As it was when it was taken, though read later.
  expect(places(first)).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
  expect(places(segment.takeDirty())).toEqual([["b", 3]]);
  expect(places(segment.takeDirty())).toEqual([]);
});

function floorDivide(a: bigint, b: bigint): bigint {
  return a / b - (a % b < 0n ? 1n : 0n);
}

function positiveZero(value: unknown): unknown {
  return value === 0 ? 0 : value;
}

function inOrder(rows: readonly { readonly dimensions: readonly unknown[]; readonly pane: number }[]) {
  return [...rows].sort((a, b) => (orderKey(a) < orderKey(b) ? -1 : 1));
}

function orderKey(row: { readonly dimensions: readonly unknown[]; readonly pane: number }): string {
  return JSON.stringify([row.dimensions, row.pane]);
}
