import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatherFew, isCounted, mostGathered, partsOf } from "../../batch-layer/by-code.ts";
import { sourceOf } from "../../batch-layer/source.ts";
import { compileSql, copyToParquet } from "../../batch-layer/sql.ts";
import { readStateRows } from "../../batch-layer/state-rows.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import type { Measure } from "../../views/aggregate.ts";
import { offset } from "../../views/cut.ts";
import type { Derivation } from "../../views/derived.ts";
import type { Event } from "../../views/event.ts";
import { quoteIdentifier } from "../../views/expression.ts";
import { tumbling } from "../../views/index.ts";
import { mergeSorted } from "../../views/sorted-rows.ts";
import { encodeCell, type StateRow } from "../../views/state.ts";
import { defineView, noiseOf, type View } from "../../views/view.ts";
import type { Window } from "../../views/window.ts";
import { type Fact, MasterInMemory } from "../batch/master-in-memory.ts";
import { DuckdbHere } from "../duckdb-here.ts";
import { instances, sample, sampleData } from "../laws/aggregate-instances.ts";

let here: DuckdbHere;
beforeAll(async () => {
  here = await DuckdbHere.open(2);
});
afterAll(() => here[Symbol.asyncDispose]());

const facts = fc.array(
  fc.record({
    time: fc.integer({ min: -2, max: 2 }),
    data: sampleData.map((data) => ({ ...data })),
  }),
  { maxLength: 10 },
);
/** Records of two partitions, and how many of each the batch layer has computed. */
const split = fc.record({
  partitions: fc.tuple(facts, facts),
  cut: fc.tuple(fc.nat({ max: 10 }), fc.nat({ max: 10 })),
});

/** Many measures to a view, so that they also stand beside each other in one statement and one loop. */
const perView = 16;
const names = Object.keys(instances);
const mixed = Array.from({ length: Math.ceil(names.length / perView) }, (_, n) =>
  names.slice(n * perView, (n + 1) * perView),
);

/** Each one that is counted by code, beside all whose states DuckDB merges: those views are computed in two steps. */
const inSteps = names
  .filter((name) => isOf(name, "counted"))
  .map((name) => [name, ...names.filter((other) => isOf(other, "mergeSql"))]);
/** Those whose codes are gathered, beside one that is not; they are where there are panes. */
const gathered = names.filter((name) => viewOf([name]).measures.some(isGathered));
const views = [
  ...[...mixed, ...inSteps].map((ofView) => [ofView.join(", "), viewOf(ofView)] as const),
  ["panes, gathered", viewOf(["count", ...gathered], { pane: tumbling("1s") })] as const,
];

function isOf(name: string, part: "counted" | "mergeSql"): boolean {
  return viewOf([name]).measures.some(({ aggregate }) => aggregate[part] !== undefined);
}

function isGathered({ aggregate }: Measure): boolean {
  return aggregate.counted?.gather !== undefined;
}

function viewOf(ofView: readonly string[], window: { readonly pane?: Window } = {}): View {
  return defineView({
    name: "parity",
    from: sample,
    by: (f) => ({ flag: f.maybeFlag, ...window }),
    measures: (f) =>
      Object.fromEntries(
        ofView.flatMap((name, i) => (instances[name] === undefined ? [] : [[`m${i}`, instances[name](f)]])),
      ),
    derived,
  });
}

/** Of a measure that is a number: every operation, over it and over others. */
function derived(measures: Readonly<Record<string, Derivation>>): Readonly<Record<string, Derivation>> {
  const first = ["m0", "m1", "m2", "m3"].flatMap((name) => {
    try {
      return measures[name] ?? [];
    } catch {
      return [];
    }
  });
  const [a, b = a] = first;
  if (a === undefined || b === undefined) return {};
  return { d0: a.plus(b).times(0.1), d1: a.minus(1).dividedBy(b.minus(a)), d2: a.dividedBy(b) };
}

test("each of these views is computed in as many parts as it is meant to be", () => {
  const parts = (ofView: readonly string[]) => partsOf(viewOf(ofView).measures).length;
  expect(inSteps.length).toBeGreaterThan(5);
  expect(inSteps.map(parts)).toEqual(inSteps.map(() => 1));
  expect(mixed.some((ofView) => parts(ofView) > 3)).toBe(true);
});

test("codes are gathered in panes of a day or less, of so many records that they have room, and counted first elsewhere", () => {
  const [name = ""] = gathered;
  const inPanes = viewOf([name], { pane: tumbling("1s") });
  const isCountedOf = (view: View, records: number) =>
    gatherFew(view, records, view.measures).some(isCounted);
  expect(isCountedOf(inPanes, mostGathered)).toBe(false);
  expect(isCountedOf(inPanes, mostGathered + 1)).toBe(true);
  expect(isCountedOf(viewOf([name], { pane: tumbling("2d") }), 1)).toBe(true);
  expect(isCountedOf(viewOf([name]), 1)).toBe(true);
});

describe.each(views)("%s", (_names, view) => {
  const fold = compileFold(view);

  function folded(partition: number, records: readonly Fact[], from: number): readonly StateRow[] {
    const segment = new TailSegment(view, partition, offset(from));
    const events = records.map(
      ({ time, data }): Event => ({ id: "1", source: "s", type: sample.name, key: "k", time, data }),
    );
    fold(
      segment,
      events,
      0,
      records.map((_, i) => ({ offset: offset(from + i) })),
    );
    return segment.sortedRows();
  }

  async function computed(partitions: readonly (readonly Fact[])[]): Promise<readonly StateRow[]> {
    const master = new MasterInMemory(here.connection, await mkdtemp(join(here.root, "master-")));
    for (const [partition, records] of partitions.entries()) {
      if (records.length > 0) await master.append(sample, partition, records);
    }
    const cut = { [sample.name]: partitions.map(({ length }) => offset(length)) };
    const path = join(here.root, "states.parquet");
    const source = sourceOf(sample, await master.files(sample.name), cut);
    const { sql, parameters } = copyToParquet(compileSql(view, [source]), path);
    await here.connection.run(sql, [...parameters]);
    const rows: StateRow[] = [];
    for await (const chunk of readStateRows(here.connection, view, [path])) rows.push(...chunk);
    return rows;
  }

  /** What SQL makes of the states that were computed last, and what `present` makes of them: the same to the last bit. */
  async function expectPresented(rows: readonly StateRow[]): Promise<void> {
    const shown = view.measures.filter(({ aggregate }) => aggregate.presentSql !== undefined);
    const columns = view.columns.map(({ name }) => quoteIdentifier(name));
    const sql = shown.map(({ aggregate, firstCell }) => aggregate.presentSql?.(columns, firstCell));
    const result = await here.connection.runAndReadAll(
      `SELECT ${["0", ...sql].join(", ")} FROM read_parquet('${join(here.root, "states.parquet")}')`,
    );
    expect(result.getRows().map(([, ...row]) => row.map(String))).toEqual(
      rows.map(({ cells }) =>
        shown.map(({ aggregate, firstCell }) => String(aggregate.present(cells, firstCell))),
      ),
    );
  }

  /** Bit for bit, but for floats whose state says how far they may lie off. */
  function expectSame(actual: readonly StateRow[], expected: readonly StateRow[]): void {
    const plain = (rows: readonly StateRow[]) =>
      rows.map(({ dimensions, pane, cells }, row) => ({
        dimensions,
        pane,
        cells: cells.map((cell, i) => {
          const right = expected[row]?.cells ?? [];
          const noise = noiseOf(view, right, i);
          const isNear = noise > 0 && Math.abs(Number(cell) - Number(right[i])) <= noise;
          return encodeCell(isNear ? (right[i] ?? null) : cell);
        }),
      }));
    expect(plain(actual)).toEqual(plain(expected));
  }

  test("SQL and fold give the same states, which it presents alike, and merge to those of the whole wherever it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(split, async ({ partitions, cut }) => {
        const whole = mergeSorted(
          view,
          partitions.map((records, p) => folded(p, records, 0)),
        );
        const prefix = await computed(partitions.map((records, p) => records.slice(0, cut[p])));
        const tails = partitions.map((records, p) =>
          folded(p, records.slice(cut[p]), Math.min(records.length, cut[p] ?? 0)),
        );
        const foldedPrefix = mergeSorted(
          view,
          partitions.map((records, p) => folded(p, records.slice(0, cut[p]), 0)),
        );
        expectSame(prefix, [...foldedPrefix]);
        await expectPresented(prefix);
        expectSame([...mergeSorted(view, [prefix, ...tails])], [...whole]);
      }),
      { numRuns: 15 },
    );
  });
});
