import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import type { Event } from "../../views/event.ts";
import { type Cell, decodeCell, type EncodedCell, encodeCell } from "../../views/state.ts";
import { copyState, defineView, mergeState, noiseOf, zeroState } from "../../views/view.ts";
import { instances, sample, sampleData } from "./aggregate-instances.ts";

/** Records of few instants. Offsets are given where they are folded: no two records have one place. */
const events = fc.array(
  fc
    .record({ time: fc.integer({ min: -1, max: 1 }), data: sampleData })
    .map((each): Event => ({ id: "1", source: "s", type: sample.name, key: "k", ...each })),
  { maxLength: 12 },
);

test("the laws are run for every aggregate there is", () => {
  const files = readdirSync(new URL("../../views/aggregates", import.meta.url));
  const kinds = files.map((file) => file.replace(".ts", "").replace(/-(.)/g, (_, c) => c.toUpperCase()));
  const withLaws = new Set(Object.keys(instances).map((name) => name.replace(/\(.*/, "")));
  expect([...withLaws].sort()).toEqual(kinds.sort());
});

describe.each(Object.entries(instances))("%s", (_name, make) => {
  const view = defineView({ name: "laws", from: sample, by: () => ({}), measures: (f) => ({ m: make(f) }) });
  const fold = compileFold(view);

  function folded(sequence: readonly Event[], from = 0): Cell[] {
    const segment = new TailSegment(view, 0, offset(0));
    const records = sequence.map((_, i) => ({ offset: offset(from + i) }));
    fold(segment, sequence, 0, records);
    return segment.panes.get(0)?.get("")?.cells ?? zeroState(view);
  }

  function merged(...states: readonly (readonly Cell[])[]): Cell[] {
    const state = zeroState(view);
    for (const each of states) mergeState(view, state, each);
    return state;
  }

  /** Bit for bit, but for floats whose state says how far they may lie off. */
  function expectSame(actual: readonly Cell[], expected: readonly Cell[]): void {
    const noise = expected.map((_, i) => noiseOf(view, expected, i));
    const isNear = (i: number) =>
      Math.abs(Number(actual[i]) - Number(expected[i])) <= (noise[i] ?? 0) && noise[i] !== 0;
    expect(actual.map((cell, i) => (isNear(i) ? expected[i] : cell) ?? null).map(encodeCell)).toEqual(
      expected.map(encodeCell),
    );
  }

  function present(cells: readonly Cell[]) {
    return view.measures.map(({ aggregate, firstCell }) => aggregate.present(cells, firstCell));
  }

  test("zero is the identity of merge, on both sides", () => {
    fc.assert(
      fc.property(events, (xs) => {
        const state = folded(xs);
        const right = copyState(view, state);
        mergeState(view, right, zeroState(view));
        expectSame(right, state);
        expectSame(merged(state), state);
      }),
    );
  });

  test("merge is commutative and associative", () => {
    fc.assert(
      fc.property(events, events, events, (xs, ys, zs) => {
        const [x, y, z] = [folded(xs), folded(ys, 100), folded(zs, 200)];
        expectSame(merged(x, y), merged(y, x));
        expectSame(merged(merged(x, y), z), merged(x, merged(y, z)));
      }),
    );
  });

  test("the fold of a whole is the merge of the folds of its parts", () => {
    fc.assert(
      fc.property(events, events, (xs, ys) => {
        const whole = folded([...xs, ...ys]);
        const parts = merged(folded(xs), folded(ys, xs.length));
        expectSame(parts, whole);
        if (view.measures[0]?.aggregate.noise === undefined) expect(present(parts)).toEqual(present(whole));
      }),
    );
  });

  test("merge leaves its second state as it was, and shares nothing with it", () => {
    fc.assert(
      fc.property(events, events, events, (xs, ys, zs) => {
        const second = folded(ys, 100);
        const before = second.map(encodeCell);
        const first = merged(folded(xs), second);
        mergeState(view, first, folded(zs, 200));
        expect(second.map(encodeCell)).toEqual(before);
      }),
    );
  });

  test("a copy of a state is equal to it, and stays as it was when the state goes on", () => {
    fc.assert(
      fc.property(events, events, (xs, ys) => {
        const state = folded(xs);
        const before = state.map(encodeCell);
        const copy = copyState(view, state);
        expect(copy.map(encodeCell)).toEqual(before);
        mergeState(view, state, folded(ys, 100));
        expect(copy.map(encodeCell)).toEqual(before);
      }),
    );
  });

  test("a state survives being written as JSON and read again", () => {
    fc.assert(
      fc.property(events, events, (xs, ys) => {
        const state = merged(folded(xs), folded(ys, 100));
        const written = JSON.stringify(state.map(encodeCell));
        const read = (JSON.parse(written) as EncodedCell[]).map((cell, i) => {
          const column = view.columns[i];
          return column === undefined ? cell : decodeCell(column, cell);
        });
        expect(JSON.stringify(read.map(encodeCell))).toBe(written);
        expect(present(read)).toEqual(present(state));
        mergeState(view, read, folded(xs, 200));
        mergeState(view, state, folded(xs, 200));
        expect(read.map(encodeCell)).toEqual(state.map(encodeCell));
      }),
    );
  });
});
