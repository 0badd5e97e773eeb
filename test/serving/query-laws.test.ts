import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { onlyMapping } from "../../views/mapping.ts";
import { byMachine, day, dimensionOf, hour, type Measured, measure, stateOf } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const dimensionNames = ["site", "unit", "label", "isOn"];
const measureNames = ["records", "total", "average", "least", "most"];
const topic = onlyMapping(byMachine).event.name;

/** Too long to be stored whole, and alike as far as they are: the index has them in another order than the answer. */
const longTexts = ["", "a", "b", "c"].map((text) => "k".repeat(2_000) + text);

/** Texts whose UTF-8 and UTF-16 orders differ, that end in NUL, that look like syntax, and that are stored cut off. */
const texts = [
  "",
  "null",
  '"null"',
  "a",
  "a\0",
  "ä",
  "\uffff",
  "😀",
  "x&y=z",
  "+ %",
  "k".repeat(1_000),
  "k".repeat(1_001),
];

/** Few values of each, so that rows meet in groups and filters hit. */
interface Palette {
  readonly sites: readonly string[];
  readonly labels: readonly (string | null)[];
}

const units = [null, -3, 7];

const palette: fc.Arbitrary<Palette> = fc.record({
  sites: fc.oneof(
    { weight: 2, arbitrary: fc.shuffledSubarray(texts, { minLength: 2, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.constant(["a", ...longTexts, "z"]) },
  ),
  labels: fc.shuffledSubarray([null, ...texts], { minLength: 2, maxLength: 3 }),
});

function record({ sites, labels }: Palette): fc.Arbitrary<Measured> {
  return fc.record({
    site: fc.constantFrom(...sites),
    unit: fc.constantFrom(...units),
    label: fc.constantFrom(...labels),
    isOn: fc.boolean(),
    hour: fc.integer({ min: -6, max: 6 }).map((hours) => hours * hour),
    value: fc.oneof(
      fc.constant(null),
      fc.integer({ min: -50, max: 50 }),
      fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
    ),
  });
}

/** One time in three. */
function sometimes<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

interface Asked {
  readonly filters: Readonly<Record<string, readonly (string | number | boolean | null)[]>>;
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly granularity: string | undefined;
  readonly groupBy: readonly string[] | undefined;
  readonly measures: readonly string[] | undefined;
  readonly orderBy: readonly string[];
  readonly layer: "merged" | "batch" | "speed";
}

function asked({ sites, labels }: Palette): fc.Arbitrary<Asked> {
  const every = { site: sites, unit: units, label: labels, isOn: [true, false] };
  const filter = <V>(values: readonly V[]) => sometimes(fc.shuffledSubarray([...values], { minLength: 1 }));
  return fc
    .record({
      filters: fc.record({
        site: filter(sites),
        unit: filter(units),
        label: filter(labels),
        isOn: filter([true, false]),
      }),
      range: sometimes(fc.tuple(fc.integer({ min: -8, max: 3 }), fc.integer({ min: 0, max: 12 }))),
      granularity: fc.constantFrom(undefined, undefined, "1h", "5h", "1d", "all"),
      groupBy: sometimes(fc.subarray([...dimensionNames, "hour"])),
      measures: sometimes(fc.subarray(measureNames, { minLength: 1 })),
      // One group of the index, the index's own order, or anything.
      shape: fc.constantFrom("group", "index", "any", "any"),
      order: fc.shuffledSubarray([...dimensionNames, "hour", ...measureNames]),
      signs: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
      layer: fc.constantFrom("merged", "merged", "batch", "speed"),
    })
    .map(({ shape, range, order, signs, groupBy: names, granularity: width, measures, layer, ...given }) => {
      const filters = shape === "group" ? onlyFirst({ ...every, ...defined(given.filters) }) : given.filters;
      const groupBy = width === "all" ? names?.filter((name) => name !== "hour") : names;
      const granularity = groupBy !== undefined && !groupBy.includes("hour") ? undefined : width;
      const isByTime = granularity !== "all" && (groupBy === undefined || groupBy.includes("hour"));
      const columns = [
        ...(groupBy ?? dimensionNames).filter((n) => n !== "hour"),
        ...(isByTime ? ["hour"] : []),
        ...measureNames,
      ];
      const orderBy = (shape === "index" ? [] : order)
        .filter((name) => columns.includes(name))
        .map((name, i) => (signs[i] ? `-${name}` : name));
      return {
        ...{ granularity, groupBy, measures, orderBy, layer: layer as Asked["layer"] },
        filters: defined(filters),
        from: range && range[0] * hour,
        to: range && (range[0] + range[1]) * hour,
      };
    });
}

type Filters = Readonly<Record<string, Asked["filters"][string] | undefined>>;

function defined(filters: Filters): Asked["filters"] {
  return Object.fromEntries(
    Object.entries(filters).flatMap(([name, values]) => (values === undefined ? [] : [[name, values]])),
  );
}

function onlyFirst(filters: Filters): Filters {
  return Object.fromEntries(Object.entries(filters).map(([name, values]) => [name, values?.slice(0, 1)]));
}

function urlOf(query: Asked, more: Record<string, string> = {}): string {
  const parameters = new URLSearchParams(more);
  for (const [name, values] of Object.entries(query.filters)) {
    for (const value of values) {
      const quoted = name === "label" && typeof value === "string" ? JSON.stringify(value) : String(value);
      parameters.append(name, quoted);
    }
  }
  if (query.from !== undefined) parameters.set("from", new Date(query.from).toISOString());
  if (query.to !== undefined) parameters.set("to", String(query.to));
  if (query.granularity !== undefined) parameters.set("granularity", query.granularity);
  if (query.groupBy !== undefined) parameters.set("groupBy", query.groupBy.join(","));
  if (query.measures !== undefined) parameters.set("measures", query.measures.join(","));
  if (query.orderBy.length > 0) parameters.set("orderBy", query.orderBy.join(","));
  parameters.set("layer", query.layer);
  return `/v1/views/by-machine/rows?${parameters}`;
}

/** The answer by the plainest means: a walk over the records, a sort, no states. */
function answerOf(query: Asked, records: readonly Measured[]): Record<string, unknown>[] {
  const grouped = query.groupBy ?? [...dimensionNames, "hour"];
  const dimensions = dimensionNames.filter((name) => grouped.includes(name));
  const isByTime = query.granularity !== "all" && grouped.includes("hour");
  const width = { "5h": 5 * hour, "1d": day }[query.granularity ?? ""] ?? hour;
  const groups = new Map<string, { key: Record<string, unknown>; records: Measured[] }>();
  for (const one of records) {
    if (one.hour < (query.from ?? -Infinity) || one.hour >= (query.to ?? Infinity)) continue;
    if (!Object.entries(query.filters).every(([name, values]) => values.includes(dimensionOf(one, name))))
      continue;
    const key: Record<string, unknown> = Object.fromEntries(
      dimensions.map((name) => [name, dimensionOf(one, name)]),
    );
    if (isByTime) key.hour = new Date(Math.floor(one.hour / width) * width).toISOString();
    const group = groups.get(JSON.stringify(key)) ?? { key, records: [] };
    group.records.push(one);
    groups.set(JSON.stringify(key), group);
  }
  if (grouped.length === 0 && groups.size === 0) groups.set("", { key: {}, records: [] });
  const order = [...query.orderBy, ...dimensions, ...(isByTime ? ["hour"] : [])];
  const rows = [...groups.values()].map(({ key, records: members }) => ({ key, values: measure(members) }));
  rows.sort((a, b) => {
    for (const term of order) {
      const name = term.replace("-", "");
      const difference = compare({ ...a.key, ...a.values }[name], { ...b.key, ...b.values }[name], name);
      if (difference !== 0) return term.startsWith("-") ? -difference : difference;
    }
    return 0;
  });
  const shown = measureNames.filter((name) => query.measures?.includes(name) ?? true);
  return rows.map(({ key, values }) => ({
    ...key,
    ...Object.fromEntries(shown.map((name) => [name, values[name]])),
  }));
}

function compare(a: unknown, b: unknown, name: string): number {
  if (a === null || b === null) return Number(b === null) - Number(a === null);
  if (name === "site" || name === "label")
    return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
  if (name === "total") return Number(BigInt(a as string) - BigInt(b as string));
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
}

/** Records in the order of arrival; the first `covered` are in the generation, the others in pieces of the tail. */
async function serve(records: readonly Measured[], covered: number): Promise<Serving> {
  const serving = startServing([byMachine]);
  const states = records.map(stateOf);
  const cuts = [0, 1].map((p) => states.slice(0, covered).filter((_, i) => i % 2 === p).length);
  const pieces = [0, 1].flatMap((partition) => {
    const mine = states.slice(covered).filter((_, i) => (i + covered) % 2 === partition);
    const from = cuts[partition] ?? 0;
    const middle = from + Math.ceil(mine.length / 2);
    return [
      { partition, from, next: middle, rows: mine.slice(0, middle - from) },
      { partition, from: middle, next: from + mine.length, rows: mine.slice(middle - from) },
    ];
  });
  serving.tail.put(byMachine, pieces);
  serving.generations.add(byMachine, "g-1", { [topic]: cuts } as never, states.slice(0, covered));
  await serving.generations.point(byMachine.name, "g-1");
  await settled();
  return serving;
}

interface Data {
  readonly records: readonly Measured[];
  readonly covered: number;
}

function data(colours: Palette): fc.Arbitrary<Data> {
  return fc
    .record({
      records: fc.array(record(colours), { maxLength: 80, size: "max" }),
      percent: fc.constantFrom(0, 30, 50, 90, 100),
    })
    .map(({ records, percent }) => ({ records, covered: Math.floor((records.length * percent) / 100) }));
}

function recordsOf(layer: Asked["layer"], { records, covered }: Data) {
  return layer === "merged"
    ? records
    : layer === "batch"
      ? records.slice(0, covered)
      : records.slice(covered);
}

describe("a query", () => {
  test("answers what a walk over the plain records gives, however they are split between generation and tail", async () => {
    let rows = 0;
    const example = palette.chain((colours) =>
      fc.tuple(data(colours), fc.array(asked(colours), { minLength: 1, maxLength: 5 })),
    );
    await fc.assert(
      fc.asyncProperty(example, async ([given, queries]) => {
        const serving = await serve(given.records, given.covered);
        for (const query of queries) {
          const { status, body } = await serving.get(urlOf(query));
          expect(status).toBe(200);
          expect(body.rows).toEqual(answerOf(query, recordsOf(query.layer, given)));
          expect(body.cursor).toBeNull();
          rows += body.rows.length;
        }
        await serving[Symbol.asyncDispose]();
      }),
      { numRuns: 60 },
    );
    expect(rows).toBeGreaterThan(200);
  });

  test("gives in pages, one cursor after the other, exactly its whole answer", async () => {
    let pages = 0;
    const example = palette.chain((colours) =>
      fc.tuple(data(colours), asked(colours), fc.integer({ min: 1, max: 7 })),
    );
    await fc.assert(
      fc.asyncProperty(example, async ([given, query, limit]) => {
        const serving = await serve(given.records, given.covered);
        const rows: unknown[] = [];
        let cursor: string | null = null;
        do {
          const more: Record<string, string> = {
            limit: String(limit),
            ...(cursor === null ? {} : { cursor }),
          };
          const { status, body } = await serving.get(urlOf(query, more));
          expect(status).toBe(200);
          expect(body.rows.length).toBeLessThanOrEqual(limit);
          rows.push(...body.rows);
          cursor = body.cursor;
          pages++;
        } while (cursor !== null);
        expect(rows).toEqual(answerOf(query, recordsOf(query.layer, given)));
        await serving[Symbol.asyncDispose]();
      }),
      { numRuns: 60 },
    );
    expect(pages).toBeGreaterThan(100);
  });
});
