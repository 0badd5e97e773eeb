import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import { defineEvent, type Event } from "../../views/event.ts";
import { count, countDistinct, defineView, latest, mean, session, sum, Type } from "../../views/index.ts";
import { sessionRows } from "../../views/session-rows.ts";
import { mergeSorted } from "../../views/sorted-rows.ts";
import { type Cell, decodeCell, type EncodedCell, encodeCell, type StateRow } from "../../views/state.ts";
import { copyState, mergeState, zeroState } from "../../views/view.ts";

const seen = defineEvent({
  name: "laws.page.seen",
  schema: Type.Object({ page: Type.String(), ms: Type.Integer() }),
});
const gapMs = 10;
const paneMs = 480;
/** The state is one cell: all the pieces of one key in one pane. */
const view = defineView({
  name: "visits",
  from: seen,
  by: () => ({ visit: session("10ms") }),
  measures: (f) => ({ pages: count(), ms: sum(f.ms), last: latest(f.page), unique: countDistinct(f.page) }),
  sessions: (s) => ({ visits: count(), bounces: count({ where: s.pages.eq(1) }), length: mean(s.length) }),
});
const fold = compileFold(view);

/** Few instants apart, the gap itself among the distances. */
const events = (untilMs: number) =>
  fc.array(
    fc.record({
      time: fc.integer({ min: 0, max: untilMs }),
      data: fc.record({ page: fc.constantFrom("/", "/a", "/b"), ms: fc.integer({ min: 0, max: 9 }) }),
    }),
    { maxLength: 12 },
  );
const ofOnePane = events(100);

type Seen = Pick<Event, "time" | "data">;

function segmentOf(sequence: readonly Seen[], from = 0): TailSegment {
  const segment = new TailSegment(view, 0, offset(0));
  const all = sequence.map((each): Event => ({ id: "1", source: "s", type: seen.name, key: "k", ...each }));
  fold(
    segment,
    all,
    0,
    all.map((_, i) => ({ offset: offset(from + i) })),
  );
  return segment;
}

function folded(sequence: readonly Seen[], from = 0): Cell[] {
  return segmentOf(sequence, from).panes.get(0)?.get("")?.cells ?? zeroState(view);
}

function merged(...states: readonly (readonly Cell[])[]): Cell[] {
  const state = zeroState(view);
  for (const each of states) mergeState(view, state, each);
  return state;
}

const written = (cells: readonly Cell[]) => cells.map(encodeCell);

describe("the pieces of a pane", () => {
  test("merge in any order and any grouping, and with nothing to themselves", () => {
    fc.assert(
      fc.property(ofOnePane, ofOnePane, ofOnePane, (xs, ys, zs) => {
        const [x, y, z] = [folded(xs), folded(ys, 100), folded(zs, 200)];
        expect(written(merged(x, y))).toEqual(written(merged(y, x)));
        expect(written(merged(merged(x, y), z))).toEqual(written(merged(x, merged(y, z))));
        expect(written(merged(x, zeroState(view)))).toEqual(written(x));
      }),
    );
  });

  test("of a whole are the merged pieces of its parts", () => {
    fc.assert(
      fc.property(ofOnePane, ofOnePane, (xs, ys) => {
        const parts = merged(folded(xs), folded(ys, xs.length));
        expect(written(parts)).toEqual(written(folded([...xs, ...ys])));
      }),
    );
  });

  test("stay as they were where others are merged into a copy of them, and share nothing with it", () => {
    fc.assert(
      fc.property(ofOnePane, ofOnePane, ofOnePane, (xs, ys, zs) => {
        const [x, y] = [folded(xs), folded(ys, 100)];
        const [before, other] = [written(x), written(y)];
        const copy = copyState(view, x);
        mergeState(view, copy, y);
        mergeState(view, copy, folded(zs, 200));
        expect([written(x), written(y)]).toEqual([before, other]);
      }),
    );
  });

  test("survive being written as JSON and read again", () => {
    fc.assert(
      fc.property(ofOnePane, (xs) => {
        const texts = JSON.parse(JSON.stringify(written(folded(xs)))) as EncodedCell[];
        const read = texts.map((cell, i) => (view.columns[i] ? decodeCell(view.columns[i], cell) : null));
        expect(written(read)).toEqual(texts);
      }),
    );
  });

  test("are never more than the pane is gaps long", () => {
    const everyMs = Array.from({ length: paneMs }, (_, time) => ({ time, data: { page: "/", ms: 0 } }));
    const apart = everyMs.filter(({ time }) => time % (gapMs + 1) === 0);
    expect(JSON.parse(String(written(folded(apart))[0])).length).toBeLessThanOrEqual(48);
    expect(JSON.parse(String(written(folded(everyMs))[0]))).toHaveLength(1);
  });
});

describe("sessions", () => {
  /** Cut wherever the gap is exceeded, over sorted plain times. */
  function sessionsOf(xs: readonly Seen[]): { start: number; times: number[] }[] {
    const sessions: { start: number; times: number[] }[] = [];
    for (const time of xs.map((x) => x.time).sort((a, b) => a - b)) {
      const open = sessions.at(-1);
      if (open !== undefined && time - (open.times.at(-1) ?? 0) <= gapMs) open.times.push(time);
      else sessions.push({ start: time, times: [time] });
    }
    return sessions;
  }

  function shown({ pane, cells }: StateRow) {
    const values = view.sessions?.shown.measures.map(({ name, aggregate, firstCell }) => [
      name,
      aggregate.present(cells, firstCell),
    ]);
    return { start: pane, ...Object.fromEntries(values ?? []) };
  }

  test("are whole across panes and parts, in whatever order their records came", () => {
    let crossing = 0;
    fc.assert(
      fc.property(events(3 * paneMs), fc.integer({ min: 0, max: 12 }), (far, cut) => {
        // Around the boundary of two panes too.
        const xs = far.map((each, i) =>
          i % 3 === 0 ? each : { ...each, time: paneMs - 12 + (each.time % 24) },
        );
        const parts = [segmentOf(xs.slice(0, cut)), segmentOf(xs.slice(cut), cut)];
        const stored = mergeSorted(
          view,
          parts.map((part) => part.sortedRows()),
        );
        if (view.sessions === undefined) throw new Error("a view of sessions");
        const rows = [...sessionRows(view.sessions, stored)].map(shown);
        const expected = sessionsOf(xs);
        expect(
          rows.map(({ start, pages, visits, bounces, length, visitEnd }) => ({
            ...{ start, pages, visits, bounces, length, visitEnd },
          })),
        ).toEqual(
          expected.map(({ start, times }) => ({
            ...{ start, pages: times.length, visits: 1, bounces: Number(times.length === 1) },
            ...{ length: (times.at(-1) ?? 0) - start, visitEnd: new Date(times.at(-1) ?? 0).toISOString() },
          })),
        );
        crossing += Number(
          expected.some(({ start, times }) => start < paneMs && (times.at(-1) ?? 0) >= paneMs),
        );
      }),
      { numRuns: 300 },
    );
    expect(crossing).toBeGreaterThan(20);
  });
});
