import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import type { Offset } from "../../views/cut.ts";
import type { Event } from "../../views/event.ts";
import { type Cell, decodeCell, encodeCell } from "../../views/state.ts";
import { defineView, mergeState, zeroState } from "../../views/view.ts";
import { instances, sample } from "./aggregate-instances.ts";

/** Dyadic and small, so that sums of floats are exact in any order. */
const real = fc.integer({ min: -(2 ** 30), max: 2 ** 30 }).map((n) => n / 1024);
const data = fc.record(
  {
    whole: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 })),
    real,
    maybeWhole: fc.maxSafeInteger(),
    maybeReal: real,
    maybeFlag: fc.boolean(),
  },
  { requiredKeys: ["whole", "real"] },
);
const events = fc.array(
  data.map((each): Event => ({ id: "1", source: "s", type: sample.name, time: 0, key: "k", data: each })),
  { maxLength: 12 },
);

test("the laws are run for every aggregate there is", () => {
  const files = readdirSync(new URL("../../views/aggregates", import.meta.url));
  const kinds = files.map((file) => file.replace(".ts", ""));
  const withLaws = new Set(Object.keys(instances).map((name) => name.replace(/\(.*/, "")));
  expect([...withLaws].sort()).toEqual(kinds.sort());
});

describe.each(Object.entries(instances))("%s", (_name, make) => {
  const view = defineView({ name: "laws", from: sample, by: () => ({}), measures: (f) => ({ m: make(f) }) });
  const fold = compileFold(view);

  function folded(sequence: readonly Event[]): Cell[] {
    const segment = new TailSegment(view, 0, 0 as Offset);
    fold(segment, sequence, 0);
    return segment.panes.get(0)?.get("")?.cells ?? zeroState(view);
  }

  function merged(...states: readonly (readonly Cell[])[]): Cell[] {
    const state = zeroState(view);
    for (const each of states) mergeState(view, state, each);
    return state;
  }

  function present(cells: readonly Cell[]) {
    return view.measures.map(({ aggregate, firstCell }) => aggregate.present(cells, firstCell));
  }

  test("zero is the identity of merge, on both sides", () => {
    fc.assert(
      fc.property(events, (xs) => {
        const state = folded(xs);
        const right = [...state];
        mergeState(view, right, zeroState(view));
        expect(right).toEqual(state);
        expect(merged(state)).toEqual(state);
      }),
    );
  });

  test("merge is commutative and associative", () => {
    fc.assert(
      fc.property(events, events, events, (xs, ys, zs) => {
        const [x, y, z] = [folded(xs), folded(ys), folded(zs)];
        expect(merged(x, y)).toEqual(merged(y, x));
        expect(merged(merged(x, y), z)).toEqual(merged(x, merged(y, z)));
      }),
    );
  });

  test("the fold of a whole is the merge of the folds of its parts", () => {
    fc.assert(
      fc.property(events, events, (xs, ys) => {
        const whole = folded([...xs, ...ys]);
        expect(merged(folded(xs), folded(ys))).toEqual(whole);
        expect(present(merged(folded(xs), folded(ys)))).toEqual(present(whole));
      }),
    );
  });

  test("merge leaves its second state as it was", () => {
    fc.assert(
      fc.property(events, events, (xs, ys) => {
        const second = folded(ys);
        const before = structuredClone(second);
        mergeState(view, folded(xs), second);
        expect(second).toEqual(before);
      }),
    );
  });

  test("a state survives being written as JSON and read again", () => {
    fc.assert(
      fc.property(events, events, (xs, ys) => {
        const state = merged(folded(xs), folded(ys));
        const read = JSON.parse(JSON.stringify(state.map(encodeCell)));
        expect(view.columns.map((column, i) => decodeCell(column, read[i]))).toEqual(state);
      }),
    );
  });
});
