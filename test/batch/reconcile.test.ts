import fc from "fast-check";
import { expect, test } from "vitest";
import { DriftTally } from "../../batch-layer/drift.ts";
import { reconcile } from "../../batch-layer/reconcile.ts";
import type { BatchRow } from "../../batch-layer/state-rows.ts";
import type { Reconciliation } from "../../infra/generations/generations.ts";
import { count, defineEvent, defineView, distinct, max, sum, Type, tumbling } from "../../views/index.ts";
import { compareKeys, storageKey } from "../../views/key.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import { ValueSet } from "../../views/value-set.ts";

const event = defineEvent({
  name: "test.sale.made",
  schema: Type.Object({ shop: Type.String(), cents: Type.Integer(), weight: Type.Number() }),
});
const view = defineView({
  name: "sales",
  from: event,
  by: (f) => ({ shop: f.shop, hour: tumbling("1h") }),
  measures: (f) => ({ sales: count(), cents: sum(f.cents), weight: sum(f.weight), heaviest: max(f.weight) }),
});

type Drift = Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null };

const row = (shop: string, pane: number, cells: Cell[], slack = 0): BatchRow => ({
  dimensions: [shop],
  pane,
  cells,
  slack: [0, 0, slack, 0],
});

async function hold(batch: readonly BatchRow[], served: Iterable<StateRow>) {
  const added: StateRow[] = [];
  const drift: Drift[] = [];
  const index = {
    add: (one: StateRow) => void added.push(one),
    addDrift: (one: Drift) => void drift.push(one),
  };
  async function* chunks() {
    for (let i = 0; i < batch.length; i += 2) yield batch.slice(i, i + 2);
  }
  const rows = { kind: "served", against: "g-1", rows: served } as const;
  const { reconciliation, ...counted } = await reconcile(view, chunks(), rows, index, () => undefined);
  return { ...counted, added, drift, report: compared(reconciliation) };
}

function compared(reconciliation: Reconciliation) {
  if (reconciliation.kind !== "compared") throw new Error("nothing was compared");
  return reconciliation;
}

const batch = [
  row("a", -3_600_000, [1, 5, 0.5, 0.5]),
  row("a", 0, [2, 10, 1.5, 1]),
  row("b", 0, [1, 9007199254740993n, 2, 2]),
];

test("equal sides have no drift, whatever the rows, and every batch row is indexed", async () => {
  const { report, added, drift, rows, panes } = await hold(
    batch,
    batch.map(({ slack, ...one }) => one),
  );
  expect(report).toEqual({
    kind: "compared",
    against: "g-1",
    keys: 3,
    differing: 0,
    largestDrift: 0,
    examples: [],
  });
  expect(added).toEqual(batch);
  expect(drift).toEqual([]);
  expect({ rows, panes }).toEqual({ rows: 3, panes: { first: -3_600_000, last: 0 } });
});

test("a changed value is found, with both sides presented and the served state kept", async () => {
  const served = [batch[0], row("a", 0, [2, 13, 1.5, 1]), batch[2]] as StateRow[];
  const { report, drift } = await hold(batch, served);
  expect(report).toMatchObject({ keys: 3, differing: 1, largestDrift: 3 });
  expect(report.examples).toEqual([
    {
      dimensions: ["a"],
      pane: 0,
      batch: { sales: 2, cents: 10, weight: 1.5, heaviest: 1 },
      served: { sales: 2, cents: 13, weight: 1.5, heaviest: 1 },
    },
  ]);
  expect(drift).toEqual([{ dimensions: ["a"], pane: 0, cells: [2, 13, 1.5, 1] }]);
});

test("a whole number that is off by one beyond 2^53 is found", async () => {
  const served = [batch[0], batch[1], row("b", 0, [1, 9007199254740992n, 2, 2])] as StateRow[];
  expect((await hold(batch, served)).report).toMatchObject({ differing: 1, largestDrift: 1 });
});

test("a key that only batch has is found, with nothing served in its place", async () => {
  const { report, drift } = await hold(batch, [batch[0], batch[2]] as StateRow[]);
  expect(report).toMatchObject({ keys: 3, differing: 1, largestDrift: 10 });
  expect(report.examples[0]).toMatchObject({ dimensions: ["a"], pane: 0, served: null });
  expect(drift).toEqual([{ dimensions: ["a"], pane: 0, cells: null }]);
});

test("a key that only was served is found, before, between and after those of batch", async () => {
  const served = [row("Z", 0, [1, 1, 1, 1]), ...batch, row("c", 0, [1, -70, 1, 1])];
  served.splice(2, 0, row("a", -1, [1, 1, 1, 1]));
  const { report, drift, rows } = await hold(batch, served);
  expect(report).toMatchObject({ keys: 6, differing: 3, largestDrift: 70 });
  expect(report.examples.map(({ batch }) => batch)).toEqual([null, null, null]);
  expect(drift.map(({ dimensions, pane }) => [...dimensions, pane])).toEqual([
    ["Z", 0],
    ["a", -1],
    ["c", 0],
  ]);
  expect(rows).toBe(3);
});

test("a float sum may lie off by its slack and no further; a float that is exact may not", async () => {
  const one = [row("a", 0, [2, 0, 1.5, 1], 1e-12)];
  expect((await hold(one, [row("a", 0, [2, 0, 1.5 + 9e-13, 1])])).report.differing).toBe(0);
  expect((await hold(one, [row("a", 0, [2, 0, 1.5 + 2e-12, 1])])).report.differing).toBe(1);
  expect((await hold(one, [row("a", 0, [2, 0, 1.5, 1 + 2 ** -52])])).report.differing).toBe(1);
});

test("sketches are compared by what they hold, and shown by their values", () => {
  const shops = defineView({
    name: "shops",
    from: event,
    by: () => ({}),
    measures: (f) => ({ shops: distinct(f.shop, { upTo: 3 }) }),
  });
  const of = (...values: string[]): BatchRow => {
    const set = new ValueSet(3);
    for (const value of values) set.add(value);
    return { dimensions: [], pane: 0, cells: [set], slack: [0] };
  };
  const tally = new DriftTally(shops);
  expect(tally.note(of("a", "b"), of("b", "a"))).toBe(false);
  expect(tally.note(of("a", "b"), of("a", "c"))).toBe(true);
  expect(tally.note(of("a", "b"), { ...of(), cells: [null] })).toBe(true);
  expect(tally.reconciliation(null)).toMatchObject({
    ...{ keys: 3, differing: 2, largestDrift: 2 },
    examples: [
      { batch: { shops: 2 }, served: { shops: 2 } },
      { batch: { shops: 2 }, served: { shops: 0 } },
    ],
  });
});

test("no more than ten examples are shown, all differing keys are kept", async () => {
  const many = Array.from({ length: 25 }, (_, i) => row("a", i, [1, 1, 1, 1]));
  const { report, drift } = await hold(many, []);
  expect(report).toMatchObject({ keys: 25, differing: 25 });
  expect(report.examples).toHaveLength(10);
  expect(drift).toHaveLength(25);
});

test("what is served is closed also when the pass fails", async () => {
  let isClosed = false;
  function* served() {
    try {
      yield* batch;
    } finally {
      isClosed = true;
    }
  }
  const full = {
    add: () => {
      throw new Error("the disk is full");
    },
    addDrift: () => undefined,
  };
  async function* chunks() {
    yield batch;
  }
  const rows = { kind: "served", against: null, rows: served() } as const;
  await expect(reconcile(view, chunks(), rows, full, () => undefined)).rejects.toThrow("the disk is full");
  expect(isClosed).toBe(true);
});

const sides = fc.dictionary(
  fc
    .tuple(fc.constantFrom("", "a", "b", "é", "😀", "x".repeat(2_500)), fc.integer({ min: -2, max: 2 }))
    .map(([shop, pane]) => `${shop}|${pane}`),
  fc.integer({ min: 0, max: 3 }),
);

test("the differing keys are those that a comparison of two maps finds", async () => {
  const rowsOf = (side: Record<string, number>) =>
    Object.entries(side)
      .map(([key, cents]) => {
        const [shop = "", pane] = key.split("|");
        return row(shop, Number(pane), [1, cents, 0, 0]);
      })
      .sort((a, b) => compareKeys(storageKey(a.dimensions), storageKey(b.dimensions)) || a.pane - b.pane);
  await fc.assert(
    fc.asyncProperty(sides, sides, async (ours, theirs) => {
      const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
      const differing = [...keys].filter((key) => ours[key] !== theirs[key]);
      const { report, drift } = await hold(rowsOf(ours), rowsOf(theirs));
      expect(report).toMatchObject({ keys: keys.size, differing: differing.length });
      expect(drift.map(({ dimensions, pane }) => `${dimensions[0]}|${pane}`).sort()).toEqual(
        differing.sort(),
      );
    }),
    { numRuns: 200 },
  );
});
