import fc from "fast-check";
import type { Manifest } from "../../infra/generations/generations.ts";
import type { Scalar } from "../../views/expression.ts";
import { count, defineEvent, defineView, max, sum, Type, tumbling } from "../../views/index.ts";
import { compareKeys, storageKey } from "../../views/key.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";

/** A view with a dimension of every type, all of which can be null, and states of both types. */
const event = defineEvent({
  name: "test.thing.seen",
  schema: Type.Object({
    name: Type.Optional(Type.String()),
    number: Type.Optional(Type.Integer()),
    flag: Type.Optional(Type.Boolean()),
    weight: Type.Optional(Type.Number()),
  }),
});

export const windowed = defineView({
  name: "windowed",
  from: event,
  by: (f) => ({ name: f.name, number: f.number, flag: f.flag, minute: tumbling("1m") }),
  measures: (f) => ({
    things: count(),
    total: sum(f.number),
    weight: sum(f.weight),
    heaviest: max(f.weight),
  }),
});

export const windowless = defineView({
  name: "windowless",
  from: event,
  by: (f) => ({ name: f.name }),
  measures: () => ({ things: count() }),
});

export const minuteMs = 60_000;

const name = fc.oneof(
  fc.constantFrom(null, "", "a", "a\0", "a\0b", "\0", "b", "é", "😀", "\uffff"),
  // Beyond what a key of LMDB can hold: alike for long, and then different.
  fc.constantFrom("", "y", "z").map((end) => `${"x".repeat(2_500)}${end}`),
  fc.string({ unit: "grapheme", maxLength: 3 }),
);
const number = fc.oneof(fc.constantFrom(null, 0, 1, -1), fc.maxSafeInteger());
const flag = fc.constantFrom(null, false, true);
/** Before and after 1970, dense enough that blocks fill, far enough apart that there are many. */
const pane = fc
  .oneof(
    { weight: 5, arbitrary: fc.integer({ min: -150, max: 150 }) },
    { weight: 1, arbitrary: fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }) },
  )
  .map((minutes) => minutes * minuteMs);
const integer = fc.oneof(
  fc.integer({ min: -3, max: 300 }),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n }),
  fc.constant(null),
);
const float = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(null, -0, 0, Number.POSITIVE_INFINITY));

function rowsOf(
  view: View,
  dimensions: fc.Arbitrary<Scalar[]>,
  panes: fc.Arbitrary<number>,
): fc.Arbitrary<StateRow[]> {
  const cells: fc.Arbitrary<Cell[]> = fc.tuple(
    ...view.columns.map((column): fc.Arbitrary<Cell> => (column.type === "integer" ? integer : float)),
  );
  return fc
    .array(dimensions, { minLength: 1, maxLength: 8 })
    .chain((groups) =>
      fc.array(
        fc.record({ dimensions: fc.constantFrom(...groups), pane: panes, cells }, { noNullPrototype: true }),
        { maxLength: 200, size: "max" },
      ),
    )
    .map(inOrder);
}

/** In order of key, then pane, each key once: as a generation's rows are. */
export function inOrder(rows: readonly StateRow[]): StateRow[] {
  const keyed = rows.map((row) => ({ row, key: storageKey(row.dimensions) }));
  keyed.sort((a, b) => compareKeys(a.key, b.key) || a.row.pane - b.row.pane);
  return keyed
    .filter(({ row, key }, i) => {
      const before = keyed[i - 1];
      return before === undefined || compareKeys(before.key, key) !== 0 || before.row.pane !== row.pane;
    })
    .map(({ row }) => row);
}

export const windowedRows = rowsOf(windowed, fc.tuple(name, number, flag), pane);
export const windowlessRows = rowsOf(windowless, fc.tuple(name), fc.constant(0));

export function manifestOf(
  view: View,
  id: string,
  rows: readonly StateRow[],
  changes: Partial<Manifest> = {},
): Manifest {
  const panes = rows.map((row) => row.pane);
  return {
    id,
    view: view.name,
    fingerprint: view.fingerprint,
    cut: {},
    run: "run-1",
    createdAt: "2026-01-01T00:00:00.000Z",
    rows: rows.length,
    records: rows.length,
    panes: rows.length === 0 ? null : { first: Math.min(...panes), last: Math.max(...panes) },
    computeMs: 0,
    reconciliation: { kind: "not-compared", reason: "nothing was served before" },
    ...changes,
  };
}
