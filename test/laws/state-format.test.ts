import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import type { Event } from "../../views/event.ts";
import { encodeCell, stateFormat } from "../../views/state.ts";
import { defineView } from "../../views/view.ts";
import { instances, sample } from "./aggregate-instances.ts";
import pinned from "./state-format.json" with { type: "json" };

/** Records that never change, with what can be written in several ways: signs, texts beyond ASCII, sums beyond 2^53. */
const events: readonly Event[] = [
  {
    whole: 2 ** 53 - 1,
    real: 0.5,
    text: "a",
    maybeWhole: 1,
    maybeReal: -1.25,
    maybeFlag: true,
    maybeText: "x",
  },
  { whole: 2 ** 53 - 1, real: -3, text: "é😀\0", maybeWhole: -2, maybeFlag: false },
  { whole: -7, real: 0, text: "", maybeReal: 1024.5, maybeText: '"', maybeFlag: true },
  ...Array.from({ length: 300 }, (_, i) => ({
    whole: i * i - 999,
    real: i / 8,
    text: `t${i}`,
    maybeWhole: i % 2,
  })),
].map((data, i) => ({ id: `${i}`, source: "s", type: sample.name, key: "k", time: (i * 7) % 11, data }));

function hashOf(make: (typeof instances)[string]): string {
  const view = defineView({
    name: "format",
    from: sample,
    by: () => ({}),
    measures: (f) => ({ m: make(f) }),
  });
  const segment = new TailSegment(view, 0, offset(0));
  const records = events.map((_, i) => ({ offset: offset(i) }));
  // In three steps, so that states of nothing, of one record and of many are all in the hash.
  const fold = compileFold(view);
  let first = 0;
  const states = [0, 1, events.length].map((next) => {
    fold(segment, events.slice(0, next), first, records);
    first = next;
    return segment.panes.get(0)?.get("")?.cells.map(encodeCell) ?? view.columns.map(({ zero }) => zero);
  });
  return createHash("sha256")
    .update(JSON.stringify([view.columns, states]))
    .digest("hex")
    .slice(0, 16);
}

/**
 * What is stored in generations, checkpoints and tails must be readable by the code that finds it. If a hash changes, states
 * of the same records are written in another way: raise `stateFormat`, so that every view gets a new fingerprint and is
 * computed anew, and write down the new version with its hashes. A new aggregate is a new line in `state-format.json`.
 */
test("states are written as they were when the version of their format was last raised", () => {
  const hashes = Object.fromEntries(Object.entries(instances).map(([name, make]) => [name, hashOf(make)]));
  expect({ stateFormat, hashes }).toEqual(pinned);
});
