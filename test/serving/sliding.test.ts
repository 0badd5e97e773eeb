import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import {
  count,
  defineEvent,
  defineView,
  max,
  mean,
  sliding,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";
import type { StateRow } from "../../views/state.ts";
import { rollUp } from "./plain-stores.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const seen = defineEvent({
  name: "test.page.seen",
  schema: Type.Object({ host: Type.String(), visitor: Type.Integer(), ms: Type.Integer() }),
  partitions: 1,
});
const lengthMs = 10_000;
const everyMs = 2_000;
const loads = defineView({
  name: "loads",
  from: seen,
  by: (f) => ({ host: f.host, visitor: f.visitor, time: sliding("10s", { every: "2s" }) }),
  measures: (f) => ({ pages: count(), ms: sum(f.ms), slowest: max(f.ms), mean: mean(f.ms) }),
  derived: (m) => ({ each: m.ms.dividedBy(m.pages) }),
});
const fold = compileFold(loads);

interface Seen {
  readonly host: string;
  readonly visitor: number;
  readonly time: number;
  readonly ms: number;
}

/** Few keys; some records within one window of each other, and some far from all. */
const record: fc.Arbitrary<Seen> = fc.record({
  host: fc.constantFrom("a", "b"),
  visitor: fc.constantFrom(1, 2),
  time: fc
    .oneof(fc.integer({ min: -60, max: 60 }), fc.constantFrom(-4_000, 4_000, 4_019))
    .map((n) => n * 500),
  ms: fc.integer({ min: 0, max: 99 }),
});
const records = fc.array(record, { maxLength: 40, size: "max" });

function stored(of: readonly Seen[]): readonly StateRow[] {
  const segment = new TailSegment(loads, 0, offset(0));
  const events = of.map(({ time, ...data }) => ({
    ...{ id: "1", source: "s", type: seen.name, key: "k", time, data },
  }));
  fold(segment, events, 0);
  return segment.sortedRows();
}

/** In the tail in two pieces. `served`: what was served at the cut, if that was not what the generation has. */
async function serve(
  batch: readonly Seen[],
  since: readonly Seen[],
  served: readonly Seen[] = batch,
): Promise<Serving> {
  const serving = startServing([loads]);
  const middle = Math.floor(since.length / 2);
  serving.tail.put(loads, [
    { partition: 0, from: 10, next: 10 + middle, rows: stored(since.slice(0, middle)) },
    { partition: 0, from: 10 + middle, next: 10 + since.length, rows: stored(since.slice(middle)) },
  ]);
  const keyOf = ({ dimensions, pane }: StateRow) => JSON.stringify([dimensions, pane]);
  const [mine, theirs] = [batch, served].map((of) => new Map(stored(of).map((row) => [keyOf(row), row])));
  const drift = rollUp(loads, [...stored(batch), ...stored(served)]).flatMap(({ dimensions, pane }) => {
    const key = JSON.stringify([dimensions, pane]);
    const cells = theirs?.get(key)?.cells ?? null;
    return JSON.stringify(mine?.get(key)?.cells) === JSON.stringify(cells)
      ? []
      : [{ dimensions, pane, cells }];
  });
  serving.generations.add(loads, "g-1", { [seen.name]: [10] } as never, stored(batch), { drift });
  await serving.generations.point(loads.name, "g-1");
  await settled();
  return serving;
}

const timeText = (ms: number) => new Date(ms).toISOString();

interface Key {
  readonly host?: string;
  readonly visitor?: number;
}
const ofVisitor = ({ host, visitor }: Seen): Key => ({ host, visitor });

/** A row for each key and each window that holds a record, with the window's start. */
function windowsOf(of: readonly Seen[], keyOf: (record: Seen) => Key = ofVisitor) {
  const groups = new Map<string, { key: Key; start: number; all: Seen[] }>();
  for (const each of of) {
    const last = Math.floor(each.time / everyMs) * everyMs;
    for (let start = last; start > each.time - lengthMs; start -= everyMs) {
      const key = keyOf(each);
      const name = JSON.stringify([key, start]);
      const group = groups.get(name) ?? { key, start, all: [] };
      group.all.push(each);
      groups.set(name, group);
    }
  }
  return [...groups.values()].sort(byKey).map(({ key, start, all }) => {
    const ms = all.reduce((total, each) => total + each.ms, 0);
    const slowest = Math.max(...all.map((each) => each.ms));
    const row = { ...key, time: timeText(start), pages: all.length, ms, slowest };
    return { start, row: { ...row, mean: ms / all.length, each: ms / all.length } };
  });
}

function byKey(a: { key: Key; start: number }, b: { key: Key; start: number }): number {
  const [x, y] = [a.key.host ?? "", b.key.host ?? ""];
  if (x !== y) return x < y ? -1 : 1;
  return (a.key.visitor ?? 0) - (b.key.visitor ?? 0) || a.start - b.start;
}

const bounds = fc.option(
  fc
    .tuple(fc.integer({ min: -20, max: 16 }), fc.nat(20))
    .map(([from, many]) => ({ from: from * everyMs, to: (from + many) * everyMs })),
  { nil: undefined },
);
const url = "/v1/views/loads";

describe("a query of sliding windows", () => {
  test("answers with those that begin in its range, whole, whatever lies between generation and tail", async () => {
    let rows = 0;
    const layers = fc.constantFrom("merged", "merged", "batch", "speed");
    await fc.assert(
      fc.asyncProperty(
        records,
        fc.nat(40),
        bounds,
        layers,
        fc.boolean(),
        async (all, cut, range, layer, one) => {
          const [batch, since] = [all.slice(0, cut), all.slice(cut)];
          await using serving = await serve(batch, since);
          const { from, to } = range ?? { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };
          const parameters = new URLSearchParams({ layer, ...(one ? { host: "b", visitor: "2" } : {}) });
          if (range !== undefined) {
            parameters.set("from", String(from));
            parameters.set("to", String(to));
          }
          const { body } = await serving.get(`${url}/rows?${parameters}`);
          const covered = layer === "batch" ? batch : layer === "speed" ? since : all;
          const asked = one ? covered.filter(({ host, visitor }) => host === "b" && visitor === 2) : covered;
          const expected = windowsOf(asked).filter(({ start }) => start >= from && start < to);
          expect(body.rows).toEqual(expected.map(({ row }) => row));
          rows += expected.length;
        },
      ),
      { numRuns: 80 },
    );
    expect(rows).toBeGreaterThan(200);
  });

  test("rolls up dimensions, and goes on page after page", async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.nat(40), fc.boolean(), async (all, cut, byHost) => {
        await using serving = await serve(all.slice(0, cut), all.slice(cut));
        const expected = windowsOf(all, ({ host }) => (byHost ? { host } : {}));
        const rows: unknown[] = [];
        for (let cursor: string | null = ""; cursor !== null; ) {
          const more: string = cursor === "" ? "" : `&cursor=${cursor}`;
          const search = `groupBy=${byHost ? "host,time" : "time"}&orderBy=-pages&limit=7${more}`;
          const { body } = await serving.get(`${url}/rows?${search}`);
          rows.push(...body.rows);
          cursor = body.cursor;
        }
        expect(rows).toEqual(expected.map(({ row }) => row).sort((a, b) => b.pages - a.pages));
      }),
      { numRuns: 40 },
    );
  });

  test("compares the windows of each side, those that go on past the cut among them", async () => {
    const few = fc.array(record, { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(few, few, few, bounds, async (batch, served, since, range) => {
        await using serving = await serve(batch, since, served);
        const search = range === undefined ? "" : `&from=${range.from}&to=${range.to}`;
        const { body } = await serving.get(`${url}/compare?measures=pages,slowest${search}`);
        const sides = { batch, speed: served, merged: [...batch, ...since] };
        const rows = new Map<string, Record<string, unknown>>();
        for (const [side, of] of Object.entries(sides)) {
          for (const { start, row } of windowsOf(of)) {
            if (range !== undefined && (start < range.from || start >= range.to)) continue;
            const { host, visitor, time, pages, slowest } = row;
            const key = { host, visitor, time };
            const compared = rows.get(JSON.stringify(key)) ?? {
              ...key,
              batch: null,
              speed: null,
              merged: null,
            };
            rows.set(JSON.stringify(key), { ...compared, [side]: { pages, slowest } });
          }
        }
        const asText = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
        expect(
          body.rows.map(({ difference: _, ...row }: { difference: unknown }) => row).sort(asText),
        ).toEqual([...rows.values()].sort(asText));
      }),
      { numRuns: 60 },
    );
  });

  test("refuses to roll windows up, and ranges that begin or end inside a step, and says what would do", async () => {
    await using serving = await serve([{ host: "a", visitor: 1, time: 0, ms: 1 }], []);
    for (const search of [
      ...["granularity=10s", "granularity=1m", "granularity=all", "granularity=often"],
      ...["groupBy=", "groupBy=host", "groupBy=host&granularity=2s", "groupBy=host,time&granularity=all"],
    ]) {
      for (const path of ["rows", "compare"]) {
        const { status, body } = await serving.get(`${url}/${path}?${search}`);
        expect([status, body.code], search).toEqual([400, "TIDEMARK_QUERY_GRANULARITY"]);
        expect(body.detail).toContain("a row of each window");
      }
    }
    const { body } = await serving.get(`${url}/rows?from=1000`);
    expect(body.code).toBe("TIDEMARK_QUERY_RANGE");
    expect(body.detail).toContain("10s every 2s; the nearest boundaries are 1970-01-01T00:00:00.000Z and");
    const own = await serving.get(`${url}/rows?granularity=2s`);
    expect(own.body.rows).toHaveLength(5);
  });

  test("is of a view that keeps what its panes alone would, whatever the length of its windows", async () => {
    const fingerprints = [
      sliding("10s", { every: "2s" }),
      sliding("20m", { every: "2s" }),
      tumbling("2s"),
      sliding("10s", { every: "5s" }),
    ].map(
      (window) =>
        defineView({
          name: "loads",
          from: seen,
          by: () => ({ time: window }),
          measures: () => ({ pages: count() }),
        }).fingerprint,
    );
    const [first, ...others] = fingerprints;
    expect(others.map((fingerprint) => fingerprint === first)).toEqual([true, true, false]);
  });

  test("adds floats in the same order wherever its range begins", async () => {
    const shares = defineView({
      name: "shares",
      from: seen,
      by: () => ({ time: sliding("10s", { every: "2s" }) }),
      measures: (f) => ({ share: sum(f.ms.dividedBy(7)) }),
    });
    const ofShares = compileFold(shares);
    await fc.assert(
      fc.asyncProperty(records, fc.integer({ min: -20, max: 20 }), async (all, first) => {
        await using serving = startServing([shares]);
        const segment = new TailSegment(shares, 0, offset(0));
        const events = all.map(({ time, ...data }) => ({
          ...{ id: "1", source: "s", type: seen.name, key: "k", time, data },
        }));
        ofShares(segment, events, 0);
        serving.tail.put(shares, [{ partition: 0, from: 0, next: 10, rows: segment.sortedRows() }]);
        await settled();
        const from = timeText(first * everyMs);
        const whole = await serving.get("/v1/views/shares/rows");
        const { body } = await serving.get(`/v1/views/shares/rows?from=${from}`);
        expect(body.rows).toEqual(whole.body.rows.filter(({ time }: { time: string }) => time >= from));
      }),
      { numRuns: 40 },
    );
  });

  test("is described by its length and how often one begins", async () => {
    await using serving = await serve([], []);
    const { body } = await serving.get(url);
    expect(body.window).toEqual({
      ...{ name: "time", kind: "sliding", width: "10s every 2s" },
      ...{ lengthMs: 10_000, everyMs: 2_000 },
    });
  });
});
