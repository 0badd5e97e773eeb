import fc from "fast-check";
import { expect, test } from "vitest";
import { GroupKey } from "../../infra/tail/group-key.ts";
import { MirroredSegment } from "../../infra/tail/mirrored-segment.ts";
import { RowWriter } from "../../infra/tail/row-bytes.ts";
import { RowTable } from "../../infra/tail/row-table.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import type { Entry, Segment } from "../../infra/tail/tail.ts";
import { compileFold, type FoldedEvent } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import * as tm from "../../views/index.ts";
import { encodeCell } from "../../views/state.ts";

/** A view with a dimension of every type and states of every kind. */
const seen = tm.defineEvent({
  name: "mirror.thing.seen",
  schema: tm.Type.Object({
    name: tm.Type.Optional(tm.Type.String()),
    number: tm.Type.Optional(tm.Type.Integer()),
    flag: tm.Type.Optional(tm.Type.Boolean()),
    weight: tm.Type.Optional(tm.Type.Number()),
  }),
});
const things = tm.defineView({
  name: "things",
  from: seen,
  by: (f) => ({ name: f.name, number: f.number, flag: f.flag, minute: tm.tumbling("1m") }),
  measures: (f) => ({
    things: tm.count(),
    total: tm.sum(f.number),
    weight: tm.sum(f.weight),
    heaviest: tm.max(f.weight),
    greatest: tm.max(f.name),
    last: tm.latest(f.flag),
    names: tm.countDistinct(f.name),
    weights: tm.quantile(f.weight, 0.5),
  }),
});
const fold = compileFold(things);

/** The events are the records from `next` on. */
function take(segment: TailSegment, events: readonly FoldedEvent[]): void {
  const { next } = segment;
  fold(
    segment,
    events,
    0,
    events.map((_, i) => ({ offset: offset(next + i) })),
  );
  segment.advance(offset(next + events.length));
}

const event: fc.Arbitrary<FoldedEvent> = fc.record({
  time: fc.integer({ min: -3, max: 3 }).map((minutes) => minutes * 60_000),
  data: fc.record(
    {
      name: fc.constantFrom("", "a", "b", "é", "ł", "😀", "a\0", "x".repeat(70_000)),
      number: fc.constantFrom(0, -0, 1, -1, 2 ** 31, Number.MAX_SAFE_INTEGER),
      flag: fc.boolean(),
      weight: fc.oneof(
        fc.constantFrom(0, -0, 1, 0.5, 1e300),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
      ),
    },
    { requiredKeys: [], noNullPrototype: true },
  ),
});

/** Events that are folded before what changes is told; whether room is made after it. */
const told = fc.record({ events: fc.array(event, { maxLength: 12 }), settles: fc.boolean() });

test("what was told of a segment is what it holds: walked, looked up, pane by pane and change by change", () => {
  fc.assert(
    fc.property(fc.array(told, { minLength: 1, maxLength: 40 }), fc.nat(10), (steps, followedFrom) => {
      const segment = new TailSegment(things, 0, offset(0));
      const mirror = new MirroredSegment(things, 0, offset(0));
      const writer = new RowWriter();
      segment.takeChanged();
      /** As who follows the changes has them. */
      const followed = new Map<Entry, readonly [string, unknown]>();
      steps.forEach(({ events, settles }, i) => {
        take(segment, events);
        for (const { place, pane, dimensions, cells } of segment.takeChanged())
          writer.add(place, pane, dimensions, cells);
        if (writer.length > 0) mirror.take(writer.take());
        if (settles) while (mirror.settle());
        if (i < followedFrom) return;
        for (const entry of mirror.takeChanged()) followed.set(entry, plain(entry));
        if (i === followedFrom) for (const entry of mirror.entries()) followed.set(entry, plain(entry));
      });
      expect(contents(mirror)).toEqual(contents(segment));
      if (steps.length > followedFrom) {
        expect(Object.fromEntries(followed.values())).toEqual(contents(segment));
        expect(followed.size).toBe(segment.size);
        expect(mirror.takeChanged()).toEqual([]);
      }
      expect([mirror.size, [...mirror.panes.keys()]]).toEqual([segment.size, [...segment.panes.keys()]]);
      for (const pane of [...segment.panes.keys(), 600_000])
        expect([...mirror.entriesIn(pane)].map(plain)).toEqual([...segment.entriesIn(pane)].map(plain));
      for (const { dimensions, pane } of segment.entries()) {
        const group = new GroupKey(things, dimensions);
        expect(plain(mirror.find(pane, group))).toEqual(plain(segment.find(pane, group)));
        expect(mirror.find(pane + 1, group)).toBeUndefined();
      }
      expect(mirror.find(0, new GroupKey(things, ["a", 1, null]))?.cells.map(encodeCell)).toEqual(
        segment.find(0, new GroupKey(things, ["a", 1, null]))?.cells.map(encodeCell),
      );
    }),
    { numRuns: 200 },
  );
});

/** Things by their numbers, folded and told one after the other. */
function tableOf(tellings: readonly (readonly number[])[]) {
  const segment = new TailSegment(things, 0, offset(0));
  const table = new RowTable(things);
  const writer = new RowWriter();
  segment.takeChanged();
  for (const [round, numbers] of tellings.entries()) {
    take(
      segment,
      numbers.map((number) => ({ time: 0, data: { number, weight: round } })),
    );
    for (const { place, pane, dimensions, cells } of segment.takeChanged())
      writer.add(place, pane, dimensions, cells);
    table.take(writer.take());
    while (table.settle());
  }
  for (const { place, pane, dimensions, cells } of segment.entries())
    writer.add(place, pane, dimensions, cells);
  return { table, bytes: writer.length };
}

const numbers = Array.from({ length: 1_000 }, (_, i) => i);

test("what rows were before they changed takes as much memory as what they are, at most", () => {
  // Of what was told last two in five stay as they are, for good.
  const tellings = Array.from({ length: 10 }, (_, round) =>
    numbers.filter((i) => i >= 1_000 * (1 - 0.6 ** round)),
  );
  const { table, bytes } = tableOf(tellings);
  expect(table.size).toBe(1_000);
  expect(table.memory.bytes).toBeLessThanOrEqual(2 * bytes);
});

test("rows that are told one by one do not stay in a piece of memory each", () => {
  const { table, bytes } = tableOf(numbers.map((number) => [number]));
  expect(table.size).toBe(1_000);
  expect(table.memory.bytes).toBe(bytes);
  expect(table.memory.pieces).toBeLessThan(100);
});

function contents(segment: Pick<Segment, "entries">): Readonly<Record<string, unknown>> {
  return Object.fromEntries([...segment.entries()].map(plain));
}

/** Key and states. */
function plain(entry: Entry | undefined): readonly [string, unknown] {
  if (entry === undefined) throw new Error("the entry is there");
  return [JSON.stringify([entry.dimensions, entry.pane]), entry.cells.map(encodeCell)];
}
