import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Cut } from "../../views/cut.ts";
import type { Scalar } from "../../views/expression.ts";
import { onlyMapping } from "../../views/mapping.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { type Serving, settled, startServing } from "./serving.ts";
import { bySite, type Change, changeState, columnsOf, type Fact, factState, files, sites } from "./star.ts";

const hour = 3_600_000;
const siteNames = ["a", "b", "c", "d", "k".repeat(2_000), `${"k".repeat(2_000)}b`];
const regions = [null, "north", "null", "~3:a", "😀é", ""];
const sizes = [null, 0, -7, 9_007_199_254_740_991];
const columnNames = ["site", "unit", "site.region", "site.size", "site.isOpen", "unit.unit", "unit.kind"];

const fact: fc.Arbitrary<Fact> = fc.record({
  site: fc.constantFrom(...siteNames),
  unit: fc.constantFrom(null, 1, 2, 3, -4),
  hour: fc.integer({ min: -2, max: 2 }).map((hours) => hours * hour),
  value: fc.integer({ min: -9, max: 9 }),
});

const change: fc.Arbitrary<Change> = fc.record({
  site: fc.constantFrom(...siteNames),
  time: fc.integer({ min: 0, max: 4 }),
  region: fc.constantFrom(...regions),
  size: fc.constantFrom(...sizes),
  isOpen: fc.constantFrom(null, true, false),
  isGone: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

interface Asked {
  readonly filters: Readonly<Record<string, readonly Scalar[]>>;
  readonly groupBy: readonly string[];
  readonly orderBy: readonly string[];
  readonly layer: "merged" | "batch" | "speed";
}

const valuesOf: Readonly<Record<string, readonly Scalar[]>> = {
  site: siteNames,
  unit: [null, 1, 2, 3, -4],
  "site.region": regions,
  "site.size": sizes,
  "site.isOpen": [null, true, false],
  "unit.unit": [null, 1, 2],
  "unit.kind": [null, "pump", "null"],
};

const asked: fc.Arbitrary<Asked> = fc
  .record({
    filters: fc.record(
      Object.fromEntries(
        Object.entries(valuesOf).map(([name, values]) => [
          name,
          fc.shuffledSubarray([...values], { minLength: 1 }),
        ]),
      ),
      { requiredKeys: [] },
    ),
    filterCount: fc.constantFrom(0, 0, 1, 2),
    groupBy: fc.shuffledSubarray([...columnNames, "hour"]),
    order: fc.shuffledSubarray([...columnNames, "hour", "total"], { maxLength: 2 }),
    descending: fc.boolean(),
    layer: fc.constantFrom("merged" as const, "merged" as const, "batch" as const, "speed" as const),
  })
  .map(({ filters, filterCount, groupBy, order, descending, layer }) => ({
    ...{ groupBy, layer },
    filters: Object.fromEntries(Object.entries(filters as Asked["filters"]).slice(0, filterCount)),
    orderBy: order
      .filter((name) => name === "total" || groupBy.includes(name))
      .map((name) => (descending ? `-${name}` : name)),
  }));

interface Data {
  readonly facts: readonly Fact[];
  readonly changes: readonly Change[];
  /** Of each, how many come before the cut. */
  readonly covered: readonly [number, number];
}

const data: fc.Arbitrary<Data> = fc
  .record({
    facts: fc.array(fact, { maxLength: 40, size: "max" }),
    changes: fc.array(change, { maxLength: 20, size: "max" }),
    percents: fc.tuple(fc.constantFrom(0, 40, 100), fc.constantFrom(0, 50, 100)),
  })
  .map(({ facts, changes, percents: [a, b] }) => ({
    ...{ facts, changes },
    covered: [Math.floor((facts.length * a) / 100), Math.floor((changes.length * b) / 100)],
  }));

async function serve({ facts, changes, covered }: Data): Promise<Serving> {
  const serving = startServing([bySite], undefined, files);
  await put(serving, bySite, facts.map(factState), covered[0]);
  await put(serving, sites.view, changes.map(changeState), covered[1]);
  await settled();
  return serving;
}

/** The first `covered` are in a generation, the others in the tail; records stand in the partitions by turns. */
async function put(serving: Serving, view: View, states: readonly StateRow[], covered: number) {
  const nexts = [0, 1].map((p) => states.slice(0, covered).filter((_, i) => i % 2 === p).length);
  const pieces = [0, 1].map((partition) => {
    const rows = states.filter((_, i) => i >= covered && i % 2 === partition);
    const from = nexts[partition] ?? 0;
    return { partition, from, next: from + rows.length, rows };
  });
  serving.tail.put(view, pieces);
  serving.generations.add(
    view,
    "g-1",
    { [onlyMapping(view).event.name]: nexts } as unknown as Cut,
    states.slice(0, covered),
  );
  await serving.generations.point(view.name, "g-1");
}

function urlOf({ filters, groupBy, orderBy, layer }: Asked, more: Record<string, string> = {}): string {
  const parameters = new URLSearchParams({ ...more, layer, groupBy: groupBy.join(",") });
  for (const [name, values] of Object.entries(filters)) {
    for (const value of values) {
      const isQuoted = typeof value === "string" && name !== "site";
      parameters.append(name, isQuoted ? JSON.stringify(value) : String(value));
    }
  }
  if (orderBy.length > 0) parameters.set("orderBy", orderBy.join(","));
  return `/v1/views/by-site/rows?${parameters}`;
}

/** The answer by the plainest means: attributes as they are now, whenever the fact was. */
function answerOf({ filters, groupBy, orderBy, layer }: Asked, { facts, changes, covered }: Data) {
  const counted = { merged: facts, batch: facts.slice(0, covered[0]), speed: facts.slice(covered[0]) }[layer];
  const known = layer === "batch" ? changes.slice(0, covered[1]) : changes;
  const key = [...columnNames.filter((name) => groupBy.includes(name))];
  const groups = new Map<string, Record<string, Scalar>>();
  for (const one of counted) {
    const columns = columnsOf(one, known);
    if (!Object.entries(filters).every(([name, values]) => values.includes(columns[name] ?? null))) continue;
    const row: Record<string, Scalar> = Object.fromEntries(key.map((name) => [name, columns[name] ?? null]));
    if (groupBy.includes("hour")) row.hour = new Date(one.hour).toISOString();
    const group = groups.get(JSON.stringify(row)) ?? { ...row, records: 0, total: 0 };
    groups.set(JSON.stringify(row), group);
    group.records = Number(group.records) + 1;
    group.total = Number(group.total) + one.value;
  }
  if (groupBy.length === 0 && groups.size === 0) groups.set("", { records: 0, total: 0 });
  const order = [...orderBy, ...key, ...(groupBy.includes("hour") ? ["hour"] : [])];
  return [...groups.values()].sort((a, b) => {
    for (const term of order) {
      const name = term.replace("-", "");
      const difference = compare(a[name] ?? null, b[name] ?? null);
      if (difference !== 0) return term.startsWith("-") ? -difference : difference;
    }
    return 0;
  });
}

function compare(a: Scalar, b: Scalar): number {
  if (a === null || b === null) return Number(b === null) - Number(a === null);
  if (typeof a === "string") return Buffer.compare(Buffer.from(a), Buffer.from(String(b)));
  return Number(a) - Number(b);
}

describe("a query by attributes", () => {
  test("answers what a walk over the plain records gives, however facts and changes are split", async () => {
    let rows = 0;
    const example = fc.tuple(data, fc.array(asked, { minLength: 1, maxLength: 6 }));
    await fc.assert(
      fc.asyncProperty(example, async ([given, queries]) => {
        const serving = await serve(given);
        for (const query of queries) {
          const { status, body } = await serving.get(urlOf(query));
          expect([status, body.detail]).toEqual([200, undefined]);
          expect(body.rows).toEqual(answerOf(query, given));
          rows += body.rows.length;
        }
        await serving[Symbol.asyncDispose]();
      }),
      { numRuns: 100 },
    );
    expect(rows).toBeGreaterThan(500);
  });

  test("gives in pages, one cursor after the other, exactly its whole answer", async () => {
    const example = fc.tuple(data, asked, fc.integer({ min: 1, max: 5 }));
    await fc.assert(
      fc.asyncProperty(example, async ([given, query, limit]) => {
        const serving = await serve(given);
        const rows: unknown[] = [];
        let cursor: string | null = null;
        do {
          const more: Record<string, string> = { limit: `${limit}`, ...(cursor === null ? {} : { cursor }) };
          const { body } = await serving.get(urlOf(query, more));
          rows.push(...body.rows);
          cursor = body.cursor;
        } while (cursor !== null);
        expect(rows).toEqual(answerOf(query, given));
        await serving[Symbol.asyncDispose]();
      }),
      { numRuns: 60 },
    );
  });

  test("compared, gives the same groups on every side", async () => {
    await fc.assert(
      fc.asyncProperty(data, asked, async (given, query) => {
        const serving = await serve({ ...given, covered: [given.facts.length, given.covered[1]] });
        const url = urlOf(query)
          .replace("/rows?", "/compare?")
          .replace(/layer=[a-z]+&/, "");
        const { body } = await serving.get(url);
        const expected = answerOf({ ...query, layer: "merged" }, given);
        const merged = body.rows.map(
          ({ batch, speed, merged, difference, ...key }: Record<string, object>) => {
            expect(batch).toEqual(merged);
            expect(speed).toEqual(merged);
            return { ...key, ...merged };
          },
        );
        if (given.facts.length > 0 || query.groupBy.length > 0) expect(merged).toEqual(onlyGroups(expected));
        await serving[Symbol.asyncDispose]();
      }),
      { numRuns: 40 },
    );
  });
});

/** A comparison has no row of nothing. */
function onlyGroups(rows: ReturnType<typeof answerOf>) {
  return rows.filter(({ records }) => records !== 0);
}
