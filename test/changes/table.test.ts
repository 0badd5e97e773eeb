import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import { Decoder } from "../../views/decoder.ts";
import type { Event } from "../../views/event.ts";
import {
  count,
  current,
  defineChanges,
  defineEvent,
  defineTable,
  defineView,
  source,
  Type,
  tumbling,
} from "../../views/index.ts";
import { partitionOf } from "../../views/partition.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { type Serving, settled, startServing } from "../serving/serving.ts";
import { postgres } from "./orders.ts";

const partitions = 2;
const lineChanges = defineChanges({
  name: "shop.public.order_lines",
  row: Type.Object({
    order: Type.Integer(),
    line: Type.String(),
    sku: Type.String(),
    units: Type.Optional(Type.Integer()),
    price: Type.Optional(Type.Number()),
    at: Type.Optional(Type.Time()),
  }),
  key: ["order", "line"],
  partitions,
});
const lines = defineTable({ name: "lines", from: lineChanges });
const cheap = defineTable({
  name: "cheap",
  from: lineChanges,
  columns: (f) => ({ units: f.units, isTea: f.sku.eq("tea") }),
  where: (f) => f.price.lt(2),
});

interface Row {
  readonly order: number;
  readonly line: string;
  readonly sku: string;
  readonly units: number | null;
  readonly price: number | null;
  readonly at: string | null;
}

interface Change {
  readonly op: "c" | "u" | "d" | "r";
  readonly row: Row;
  /** Of any order: sources' clocks go back, and snapshots are read late. */
  readonly ms: number;
}

const change: fc.Arbitrary<Change> = fc.record({
  op: fc.constantFrom("c", "u", "u", "d", "r"),
  row: fc.record({
    order: fc.integer({ min: 1, max: 3 }),
    line: fc.constantFrom("a", "b"),
    sku: fc.constantFrom("tea", "pot"),
    units: fc.option(fc.integer({ min: -5, max: 5 })),
    price: fc.option(fc.constantFrom(0, 1.5, 2, 1e300)),
    at: fc.option(fc.constantFrom("2024-05-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z")),
  }),
  ms: fc.integer({ min: 1, max: 5 }),
});
const changes = fc.array(change, { maxLength: 40 });

const decoder = new Decoder([lineChanges]);

/** The events of each partition, as the gateway would have put them there. */
function events(all: readonly Change[]): readonly (readonly Event[])[] {
  const byPartition: Event[][] = Array.from({ length: partitions }, () => []);
  for (const [lsn, { op, row, ms }] of all.entries()) {
    const images = op === "d" ? { before: row, after: null } : { before: null, after: row };
    const data = { op, ...images, source: postgres(lsn) };
    const time = new Date(ms).toISOString();
    const event = decoder.decode(
      JSON.stringify({ id: `${lsn}`, source: "/test", type: lineChanges.name, time, data }),
    );
    byPartition[partitionOf(event.key, partitions)]?.push(event);
  }
  return byPartition;
}

const folds = new Map([lines, cheap].map((view) => [view, compileFold(view)] as const));

function stored(view: View, partition: number, all: readonly Event[], from: number): readonly StateRow[] {
  const segment = new TailSegment(view, partition, offset(from));
  const records = all.map((_, i) => ({ offset: offset(from + i) }));
  folds.get(view as typeof lines)?.(segment, all, 0, records);
  return segment.sortedRows();
}

/** The first changes in the generation, the others in the tail. `served`: at the cut, if that was not what the generation has. */
async function serve(
  before: readonly Change[],
  since: readonly Change[],
  served: "as it is" | "nothing" = "as it is",
): Promise<Serving> {
  const serving = startServing([lines, cheap]);
  const first = events(before);
  const all = events([...before, ...since]);
  for (const view of [lines, cheap]) {
    const batch = first.flatMap((each, partition) => stored(view, partition, each, 0));
    const segments = all.map((each, partition) => {
      const from = first[partition]?.length ?? 0;
      return {
        ...{ partition, from, next: each.length },
        rows: stored(view, partition, each.slice(from), from),
      };
    });
    serving.tail.put(view, segments);
    const drift =
      served === "nothing" ? batch.map(({ dimensions, pane }) => ({ dimensions, pane, cells: null })) : [];
    const cut = { [lineChanges.name]: first.map((each) => offset(each.length)) };
    serving.generations.add(view, "g-1", cut, batch, { drift });
    await serving.generations.point(view.name, "g-1");
  }
  await settled();
  return serving;
}

/** By walking over plain changes. */
function present(all: readonly Change[]): readonly Row[] {
  const rows = new Map<string, Row>();
  for (const { op, row } of all) {
    const key = JSON.stringify([row.order, row.line]);
    if (op === "d") rows.delete(key);
    else rows.set(key, row);
  }
  return [...rows.values()].sort((a, b) => a.order - b.order || (a.line < b.line ? -1 : 1));
}

const isCheap = ({ price }: Row) => price !== null && price < 2;
const cheapRow = ({ order, line, units, sku }: Row) => ({ order, line, units, isTea: sku === "tea" });

describe("a table shows, wherever its changes are cut,", () => {
  test("the rows whose last change is no delete, as that left them, whatever the times of changes are", async () => {
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(40), async (all, at) => {
        await using serving = await serve(all.slice(0, at), all.slice(at));
        const { body } = await serving.get("/v1/views/lines/rows");
        expect(body.rows).toEqual(present(all));
        const one = await serving.get("/v1/views/lines/rows?order=2&line=a");
        expect(one.body.rows).toEqual(present(all).filter((row) => row.order === 2 && row.line === "a"));
        const filtered = await serving.get("/v1/views/lines/rows?line=b&orderBy=-units,order&limit=2");
        const expected = present(all).filter(({ line }) => line === "b");
        expect(filtered.body.rows.length).toBe(Math.min(2, expected.length));
        expect(expected).toEqual(expect.arrayContaining(filtered.body.rows));
      }),
      { numRuns: 25 },
    );
  });

  test("those for which its condition is true now, with the columns that it names", async () => {
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(40), async (all, at) => {
        await using serving = await serve(all.slice(0, at), all.slice(at));
        const { body } = await serving.get("/v1/views/cheap/rows");
        expect(body.rows).toEqual(present(all).filter(isCheap).map(cheapRow));
      }),
      { numRuns: 12 },
    );
  });

  test("in groups what only rows that are there make up, and the batch layer's part by itself", async () => {
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(40), async (all, at) => {
        await using serving = await serve(all.slice(0, at), all.slice(at));
        const { body } = await serving.get("/v1/views/lines/rows?groupBy=order&measures=sku");
        const rows = present(all);
        expect(body.rows.map(({ order }: Row) => order)).toEqual([
          ...new Set(rows.map(({ order }) => order)),
        ]);
        for (const group of body.rows) {
          const skus = rows.filter(({ order }) => order === group.order).map(({ sku }) => sku);
          expect(skus).toContain(group.sku);
        }
        const batch = await serving.get("/v1/views/lines/rows?layer=batch");
        expect(batch.body.rows).toEqual(present(all.slice(0, at)));
      }),
      { numRuns: 12 },
    );
  });

  test("in a comparison, on each side what there is", async () => {
    const tea = { order: 1, line: "a", sku: "tea", units: 1, price: 1, at: null };
    const pot = { ...tea, line: "b", sku: "pot" };
    const cut: readonly Change[] = [
      { op: "c", row: tea, ms: 1 },
      { op: "c", row: pot, ms: 1 },
    ];
    const since: readonly Change[] = [{ op: "d", row: tea, ms: 1 }];
    await using serving = await serve(cut, since);
    const { body } = await serving.get("/v1/views/lines/compare?measures=sku");
    expect(body.rows).toEqual([
      {
        ...{ order: 1, line: "a", batch: { sku: "tea" }, speed: { sku: "tea" }, merged: null },
        difference: { sku: null },
      },
      {
        ...{ order: 1, line: "b", batch: { sku: "pot" }, speed: { sku: "pot" }, merged: { sku: "pot" } },
        difference: { sku: null },
      },
    ]);
    await using drifted = await serve([...cut, ...since], [], "nothing");
    const { body: differing } = await drifted.get("/v1/views/lines/compare?measures=sku&differing=true");
    expect(differing.rows).toEqual([
      {
        ...{ order: 1, line: "b", batch: { sku: "pot" }, speed: null, merged: { sku: "pot" } },
        difference: { sku: null },
      },
    ]);
  });
});

test("a table's declaration says what its rows are told apart by, and what they show", () => {
  expect(lines.dimensions.map(({ name, type }) => [name, type])).toEqual([
    ["order", "integer"],
    ["line", "string"],
  ]);
  expect(lines.existence?.shown.measures.map(({ name }) => name)).toEqual(["sku", "units", "price", "at"]);
});

describe("a view of rows that can be deleted", () => {
  const done = defineEvent({
    name: "test.task.changed",
    schema: Type.Object({ task: Type.String(), isDone: Type.Optional(Type.Boolean()) }),
    key: (f) => f.task,
    partitions: 1,
  });
  const tasks = defineView({
    name: "tasks",
    from: done,
    by: (f) => ({ task: f.task }),
    deleted: (f) => f.isDone,
    measures: (f) => ({ changes: count(), isDone: current(f.isDone) }),
    derived: (m) => ({ twice: m.changes.times(2) }),
  });

  test("shows a key again when a later record does not end its row, with all that was measured of it", async () => {
    const fold = compileFold(tasks);
    const records = [true, false, true, undefined, undefined, true].map((isDone, i) => ({
      ...{ time: 0, offset: offset(i) },
      data: { task: i < 5 ? "wash" : "cook", ...(isDone === undefined ? {} : { isDone }) },
    }));
    const shown = async (next: number) => {
      await using serving = startServing([tasks]);
      const segment = new TailSegment(tasks, 0, offset(0));
      fold(segment, records.slice(0, next), 0, records);
      serving.tail.put(tasks, [{ partition: 0, from: 0, next, rows: segment.sortedRows() }]);
      await settled();
      return (await serving.get("/v1/views/tasks/rows?totals=true")).body;
    };
    expect((await shown(1)).rows).toEqual([]);
    expect((await shown(2)).rows).toEqual([{ task: "wash", changes: 2, isDone: false, twice: 4 }]);
    expect((await shown(3)).rows).toEqual([]);
    const { rows, totals } = await shown(6);
    expect(rows).toEqual([{ task: "wash", changes: 5, isDone: null, twice: 10 }]);
    expect(totals).toMatchObject({ changes: 5, twice: 10 });
  });

  test("has no window, and is of one event type", () => {
    expect(() =>
      defineView({
        name: "tasks",
        from: done,
        by: () => ({ day: tumbling("1d") }),
        deleted: (f) => f.isDone,
        measures: () => ({ changes: count() }),
      }),
    ).toThrow(/a window, "day", and "deleted"/);
    const declared = {
      name: "tasks",
      from: [source(done, { by: (f) => ({ task: f.task }), measures: () => ({ changes: count() }) })],
      deleted: () => true,
    };
    expect(() => defineView(declared as never)).toThrow(/only rows of one event type can be deleted/);
  });

  test("a column that is no value can't be shown as it is", () => {
    const listed = defineChanges({
      name: "shop.public.tagged",
      row: Type.Object({ id: Type.Integer(), tags: Type.Array(Type.String()) }),
      key: ["id"],
    });
    expect(() => defineTable({ name: "tagged", from: listed })).toThrow(/"tags" is a list/);
    const tagged = defineTable({
      name: "tagged",
      from: listed,
      columns: (f) => ({ isNew: f.tags.contains("new"), tags: f.tags.length() }),
    });
    expect(tagged.existence?.shown.columns.map(({ name }) => name)).toEqual([
      ...["isNew.partition", "isNew.offset", "isNew.value"],
      ...["tags.partition", "tags.offset", "tags.value"],
    ]);
  });
});
