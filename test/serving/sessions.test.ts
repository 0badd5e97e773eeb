import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import { count, defineEvent, defineView, mean, session, sum, Type } from "../../views/index.ts";
import type { StateRow } from "../../views/state.ts";
import { rollUp } from "./plain-stores.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const seen = defineEvent({
  name: "test.page.seen",
  schema: Type.Object({ host: Type.String(), visitor: Type.Integer(), ms: Type.Integer() }),
  partitions: 1,
});
const gapMs = 1_000;
const visits = defineView({
  name: "visits",
  from: seen,
  by: (f) => ({ host: f.host, visitor: f.visitor, visit: session("1s") }),
  measures: (f) => ({ pages: count(), ms: sum(f.ms) }),
  sessions: (s) => ({ visits: count(), bounces: count({ where: s.pages.eq(1) }), length: mean(s.length) }),
  derived: (m) => ({ bounceRate: m.bounces.dividedBy(m.visits) }),
});
const fold = compileFold(visits);

interface Seen {
  readonly host: string;
  readonly visitor: number;
  readonly time: number;
  readonly ms: number;
}

/** Few keys, half a gap apart; long sessions and short ones, over several panes. */
const record: fc.Arbitrary<Seen> = fc.record({
  host: fc.constantFrom("a", "b"),
  visitor: fc.constantFrom(1, 2),
  time: fc.integer({ min: -100, max: 200 }).map((halves) => halves * 500),
  ms: fc.integer({ min: 0, max: 9 }),
});
/** One visitor who does not stop for more than two panes. */
const marathon: readonly Seen[] = Array.from({ length: 110 }, (_, i) => ({
  ...{ host: "b", visitor: 3, ms: 1 },
  time: (i - 5) * gapMs,
}));

function stored(records: readonly Seen[]): readonly StateRow[] {
  const segment = new TailSegment(visits, 0, offset(0));
  const events = records.map(({ time, ...data }) => ({
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
  const serving = startServing([visits]);
  const middle = Math.floor(since.length / 2);
  serving.tail.put(visits, [
    { partition: 0, from: 10, next: 10 + middle, rows: stored(since.slice(0, middle)) },
    { partition: 0, from: 10 + middle, next: 10 + since.length, rows: stored(since.slice(middle)) },
  ]);
  const keyOf = ({ dimensions, pane }: StateRow) => JSON.stringify([dimensions, pane]);
  const [mine, theirs] = [batch, served].map(
    (records) => new Map(rollUp(visits, stored(records)).map((row) => [keyOf(row), row])),
  );
  const drift = rollUp(visits, [...stored(batch), ...stored(served)]).flatMap(({ dimensions, pane }) => {
    const key = JSON.stringify([dimensions, pane]);
    const cells = theirs?.get(key)?.cells ?? null;
    const isSame = JSON.stringify(mine?.get(key)?.cells.map(text)) === JSON.stringify(cells?.map(text));
    return isSame ? [] : [{ dimensions, pane, cells }];
  });
  serving.generations.add(visits, "g-1", { [seen.name]: [10] } as never, stored(batch), { drift });
  await serving.generations.point(visits.name, "g-1");
  await settled();
  return serving;
}

const text = (cell: unknown) => String((cell as { encode(): string } | null)?.encode());

interface Visit {
  readonly host: string;
  readonly visitor: number;
  readonly start: number;
  readonly end: number;
  readonly pages: number;
  readonly ms: number;
}

function visitsOf(records: readonly Seen[]): readonly Visit[] {
  const found: Visit[] = [];
  const inOrder = [...records].sort(
    (a, b) => (a.host < b.host ? -1 : a.host > b.host ? 1 : 0) || a.visitor - b.visitor || a.time - b.time,
  );
  for (const { host, visitor, time, ms } of inOrder) {
    const open = found.at(-1);
    if (open?.host === host && open.visitor === visitor && time - open.end <= gapMs) {
      found[found.length - 1] = { ...open, end: time, pages: open.pages + 1, ms: open.ms + ms };
    } else found.push({ host, visitor, start: time, end: time, pages: 1, ms });
  }
  return found;
}

const timeText = (ms: number) => new Date(ms).toISOString();

function rowOf(all: readonly Visit[]) {
  const total = (of: (visit: Visit) => number) => all.reduce((sum, visit) => sum + of(visit), 0);
  const bounces = total(({ pages }) => Number(pages === 1));
  return {
    ...{ pages: total(({ pages }) => pages), ms: total(({ ms }) => ms), visits: all.length, bounces },
    length: total(({ start, end }) => end - start) / all.length,
    visitEnd: timeText(Math.max(...all.map(({ end }) => end))),
    bounceRate: bounces / all.length,
  };
}

const bounds = fc.option(
  fc.tuple(
    fc.oneof(fc.constantFrom(-48_000, 0, 48_000), fc.integer({ min: -50_000, max: 60_000 })),
    fc.integer({ min: 0, max: 90_000 }),
  ),
  { nil: undefined },
);
const url = "/v1/views/visits";

describe("a query of sessions", () => {
  test("answers with those that begin in its range, whole, whatever lies between generation and tail", async () => {
    let rows = 0;
    const records = fc.array(record, { maxLength: 60, size: "max" });
    const layers = fc.constantFrom("merged", "merged", "batch", "speed");
    await fc.assert(
      fc.asyncProperty(
        records,
        fc.nat(60),
        bounds,
        layers,
        fc.boolean(),
        async (some, cut, range, layer, one) => {
          const all = [...some.slice(0, cut), ...marathon, ...some.slice(cut)];
          const at = cut + 50;
          const serving = await serve(all.slice(0, at), all.slice(at));
          const [from, next] = [
            range?.[0] ?? -Infinity,
            range === undefined ? Infinity : range[0] + range[1],
          ];
          const parameters = new URLSearchParams({ layer, ...(one ? { host: "b", visitor: "3" } : {}) });
          if (range !== undefined) {
            parameters.set("from", String(from));
            parameters.set("to", String(next));
          }
          const { body } = await serving.get(`${url}/rows?${parameters}`);
          const covered = layer === "batch" ? all.slice(0, at) : layer === "speed" ? all.slice(at) : all;
          const expected = visitsOf(covered).filter(
            ({ start, visitor }) => start >= from && start < next && (!one || visitor === 3),
          );
          expect(body.rows).toEqual(
            expected.map((visit) => {
              const { host, visitor, start } = visit;
              return { host, visitor, visit: timeText(start), ...rowOf([visit]) };
            }),
          );
          rows += expected.length;
          await serving[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 60 },
    );
    expect(rows).toBeGreaterThan(100);
  });

  test("rolls them up by their start, page after page", async () => {
    const records = fc.array(record, { maxLength: 60, size: "max" });
    await fc.assert(
      fc.asyncProperty(records, fc.nat(60), fc.constantFrom("7s", "1m", "all"), async (some, cut, width) => {
        const serving = await serve(some.slice(0, cut), some.slice(cut));
        const widthMs = { "7s": 7_000, "1m": 60_000, all: Number.POSITIVE_INFINITY }[width] ?? 0;
        const groups = new Map<string, Visit[]>();
        for (const visit of visitsOf(some)) {
          const bucket =
            width === "all" ? {} : { visit: timeText(Math.floor(visit.start / widthMs) * widthMs) };
          const key = JSON.stringify({ host: visit.host, ...bucket });
          groups.set(key, [...(groups.get(key) ?? []), visit]);
        }
        const expected = [...groups].map(([key, all]) => ({ ...JSON.parse(key), ...rowOf(all) }));
        const order = (a: (typeof expected)[number], b: (typeof expected)[number]) =>
          b.visits - a.visits ||
          (a.host < b.host ? -1 : a.host > b.host ? 1 : 0) ||
          (a.visit < b.visit ? -1 : 1);
        const rows: unknown[] = [];
        for (let cursor: string | null = ""; cursor !== null; ) {
          const groupBy = width === "all" ? "host" : "host,visit";
          const more: string = cursor === "" ? "" : `&cursor=${cursor}`;
          const search = `groupBy=${groupBy}&granularity=${width}&orderBy=-visits&limit=3${more}`;
          const { body } = await serving.get(`${url}/rows?${search}`);
          rows.push(...body.rows);
          cursor = body.cursor;
        }
        expect(rows).toEqual(expected.sort(order));
        await serving[Symbol.asyncDispose]();
      }),
      { numRuns: 40 },
    );
  });

  test("compares the sessions of each side, those that go on past the cut among them", async () => {
    const records = fc.array(record, { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(records, records, records, async (batch, served, since) => {
        const serving = await serve(batch, since, served);
        const { body } = await serving.get(`${url}/compare?measures=pages,visits&orderBy=host,visitor,visit`);
        const sides = { batch, speed: served, merged: [...batch, ...since] };
        const rows = new Map<string, Record<string, unknown>>();
        for (const [side, of] of Object.entries(sides)) {
          for (const { host, visitor, start, pages } of visitsOf(of)) {
            const key = { host, visitor, visit: timeText(start) };
            const row = rows.get(JSON.stringify(key)) ?? { ...key, batch: null, speed: null, merged: null };
            rows.set(JSON.stringify(key), { ...row, [side]: { pages, visits: 1 } });
          }
        }
        const byKey = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
        expect(
          body.rows.map(({ difference: _, ...row }: { difference: unknown }) => row).sort(byKey),
        ).toEqual([...rows.values()].sort(byKey));
        await serving[Symbol.asyncDispose]();
      }),
      { numRuns: 60 },
    );
  });

  test("is described by its gap and by what it shows", async () => {
    const serving = await serve([], []);
    const { body } = await serving.get(url);
    expect(body.window).toEqual({ name: "visit", kind: "session", width: "1s" });
    expect(body.measures.map(({ name }: { name: string }) => name)).toEqual([
      ...["pages", "ms", "visits", "bounces", "length", "visitEnd", "bounceRate"],
    ]);
    const refused = await serving.get(`${url}/rows?granularity=often`);
    expect(refused.body.code).toBe("TIDEMARK_QUERY_GRANULARITY");
    expect(refused.body.detail).toContain("each session has its row");
    const total = await serving.get(`${url}/rows?groupBy=`);
    expect(total.body.rows).toEqual([
      { pages: 0, ms: 0, visits: 0, bounces: 0, length: null, visitEnd: null, bounceRate: null },
    ]);
    await serving[Symbol.asyncDispose]();
  });
});
