import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import {
  count,
  countDistinct,
  defineEvent,
  defineView,
  quantile,
  session,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";
import type { View } from "../../views/view.ts";
import { clockAt, firstDayAt } from "../parity/fuzz/clocks.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const seen = defineEvent({
  name: "test.page.seen",
  schema: Type.Object({ host: Type.String(), visitor: Type.String(), ms: Type.Integer() }),
  partitions: 1,
});

function seenBy(name: string, pane: ReturnType<typeof tumbling>): View {
  return defineView({
    name,
    from: seen,
    by: (f) => ({ host: f.host, at: pane }),
    measures: (f) => ({
      seen: count(),
      ms: sum(f.ms),
      visitors: countDistinct(f.visitor),
      most: quantile(f.ms, 1),
    }),
  });
}

const hours = seenBy("hours", tumbling("1h"));
const halves = seenBy("halves", tumbling("30m"));
const odd = seenBy("odd", tumbling("5h"));
const romanDays = seenBy("roman-days", tumbling("1d", { tz: "Europe/Rome" }));
const romanWeeks = seenBy("roman-weeks", tumbling("1w", { tz: "Europe/Rome" }));
const visits = defineView({
  name: "visits",
  from: seen,
  by: (f) => ({ host: f.host, at: session("1m") }),
  measures: () => ({ seen: count() }),
  sessions: () => ({ visits: count() }),
});
const views: readonly View[] = [hours, halves, odd, romanDays, romanWeeks, visits];

interface Seen {
  readonly host: string;
  readonly visitor: string;
  readonly time: number;
  readonly ms: number;
}

function stored(view: View, records: readonly Seen[]) {
  const segment = new TailSegment(view, 0, offset(0));
  const events = records.map(({ time, ...data }) => ({
    ...{ id: "1", source: "s", type: seen.name, key: "k", time, data },
  }));
  compileFold(view)(segment, events, 0);
  return segment.sortedRows();
}

/** The first `cut` records are in the generation, the others in the tail. */
async function serve(records: readonly Seen[], cut: number): Promise<Serving> {
  const serving = startServing(views);
  for (const view of views) {
    const [batch, since] = [records.slice(0, cut), records.slice(cut)];
    serving.tail.put(view, [
      { partition: 0, from: batch.length, next: records.length, rows: stored(view, since) },
    ]);
    serving.generations.add(view, "g-1", { [seen.name]: [batch.length] } as never, stored(view, batch));
    await serving.generations.point(view.name, "g-1");
  }
  await settled();
  return serving;
}

const units = { "1d": "day", "1w": "week", "1mo": "month" } as const;
const hour = 3_600_000;
const days = new Map<string, string>();

/** The first instant at which clocks showed a time of the same day, week or month, by going back hour after hour. */
function startIn(zone: string, granularity: keyof typeof units, time: number): number {
  const dayOf = (ms: number) => {
    const key = `${zone} ${granularity} ${ms}`;
    const day = days.get(key) ?? firstDayAt(clockAt(ms, zone), units[granularity]);
    days.set(key, day);
    return day;
  };
  let start = Math.floor(time / hour) * hour;
  const day = dayOf(start);
  while (dayOf(start - hour) === day) start -= hour;
  return start;
}

function rowsOf(zone: string, granularity: keyof typeof units, records: readonly Seen[]) {
  const groups = new Map<string, Seen[]>();
  for (const one of records) {
    const key = JSON.stringify({
      host: one.host,
      at: new Date(startIn(zone, granularity, one.time)).toISOString(),
    });
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.keys()].sort().map((key) => {
    const members = groups.get(key) ?? [];
    return {
      ...JSON.parse(key),
      seen: members.length,
      ms: members.reduce((total, { ms }) => total + ms, 0),
      visitors: new Set(members.map(({ visitor }) => visitor)).size,
      most: Math.max(...members.map(({ ms }) => ms)),
    };
  });
}

/** Midnights, the hours at which clocks are changed, at midnight too, and the weeks and months around them. */
const moments = [
  ...["2024-03-10T08:00:00Z", "2024-11-03T07:00:00Z", "2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"],
  ...["2018-02-18T02:00:00Z", "2017-10-15T03:00:00Z", "2024-02-29T12:00:00Z", "2011-12-30T10:00:00Z"],
  ...["2024-01-01T00:00:00Z", "1969-12-31T23:00:00Z", "2024-04-26T00:00:00Z"],
].map((text) => Date.parse(text));

const record: fc.Arbitrary<Seen> = fc
  .record({
    host: fc.constantFrom("a", "b"),
    visitor: fc.constantFrom("ada", "bo", "cy"),
    ms: fc.integer({ min: 0, max: 9 }),
    moment: fc.constantFrom(...moments),
    hours: fc.oneof(fc.integer({ min: -30, max: 30 }), fc.integer({ min: -800, max: 800 })),
    within: fc.constantFrom(0, 1, 30 * 60_000, hour - 1),
  })
  .map(({ moment, hours: some, within, ...data }) => ({ ...data, time: moment + some * hour + within }));

const zones = [
  "America/Chicago",
  "Europe/Berlin",
  "America/Sao_Paulo",
  "Pacific/Apia",
  "Africa/Cairo",
  "UTC",
];

describe("hours make days, weeks and months of a zone", () => {
  test("as Intl shows them, over every change of the clocks, on whichever side of the cut, page after page", async () => {
    const asked = fc.record({
      zone: fc.constantFrom(...zones),
      granularity: fc.constantFrom("1d" as const, "1w" as const, "1mo" as const),
      limit: fc.constantFrom(3, 1_000),
      cut: fc.nat(40),
      isOfHalves: fc.boolean(),
    });
    let rows = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 40, size: "max" }), asked, async (records, query) => {
        const { zone, granularity, limit, cut, isOfHalves } = query;
        const serving = await serve(records, cut);
        const url = `/v1/views/${isOfHalves ? "halves" : "hours"}/rows?granularity=${granularity}&tz=${zone}&limit=${limit}`;
        const found: unknown[] = [];
        for (let cursor: string | null = ""; cursor !== null; ) {
          const { status, body } = await serving.get(cursor === "" ? url : `${url}&cursor=${cursor}`);
          expect({ status, detail: body.detail }).toEqual({ status: 200 });
          found.push(...body.rows);
          cursor = body.cursor;
        }
        expect(found).toEqual(rowsOf(zone, granularity, records));
        rows += found.length;
        await serving[Symbol.asyncDispose]();
      }),
      { numRuns: 50 },
    );
    expect(rows).toBeGreaterThan(200);
  });

  const at = (text: string, more: Partial<Seen> = {}): Seen => ({
    ...{ host: "a", visitor: "ada", ms: 1, ...more },
    time: Date.parse(text),
  });

  test("within a range of instants, filtered and compared", async () => {
    await using serving = await serve(
      [at("2024-03-10T05:59:59Z"), at("2024-03-10T06:00:00Z"), at("2024-03-11T04:59:59Z")],
      2,
    );
    const { body } = await serving.get(
      "/v1/views/hours/compare?host=a&granularity=1d&tz=america/chicago&from=2024-03-10T06:00:00Z&measures=seen",
    );
    expect(body.rows).toEqual([
      {
        ...{ host: "a", at: "2024-03-10T06:00:00.000Z" },
        ...{ batch: { seen: 1 }, speed: { seen: 1 }, merged: { seen: 2 }, difference: { seen: 0 } },
      },
    ]);
  });

  test("days of a zone make its weeks and months, and sessions go by their start", async () => {
    const records = [at("2024-03-31T21:59:59Z"), at("2024-03-31T22:00:00Z"), at("2024-04-07T22:00:00Z")];
    await using serving = await serve(records, 1);
    const rows = async (search: string) => {
      const { body } = await serving.get(`/v1/views/${search}`);
      return body.rows.map(({ at: start, seen: n }: { at: string; seen: number }) => [start, n]);
    };
    const months = [
      ["2024-02-29T23:00:00.000Z", 1],
      ["2024-03-31T22:00:00.000Z", 2],
    ];
    const weeks = [
      ["2024-03-24T23:00:00.000Z", 1],
      ["2024-03-31T22:00:00.000Z", 1],
      ["2024-04-07T22:00:00.000Z", 1],
    ];
    expect(await rows("roman-days/rows?granularity=1mo")).toEqual(months);
    expect(await rows("roman-days/rows?granularity=1w&tz=Europe/Rome&groupBy=at")).toEqual(weeks);
    expect(await rows("roman-weeks/rows?granularity=1w")).toEqual(weeks);
    // The first two records are of one session, which began in March.
    expect(await rows("visits/rows?granularity=1mo&tz=Europe/Rome")).toEqual([
      ["2024-02-29T23:00:00.000Z", 2],
      ["2024-03-31T22:00:00.000Z", 1],
    ]);
  });

  test("where their panes allow it: days of +05:30 are made of half hours", async () => {
    await using serving = await serve([at("2024-03-10T18:29:59Z"), at("2024-03-10T18:30:00Z")], 1);
    const { body } = await serving.get("/v1/views/halves/rows?granularity=1d&tz=Asia/Kolkata&measures=seen");
    expect(body.rows).toEqual([
      { host: "a", at: "2024-03-09T18:30:00.000Z", seen: 1 },
      { host: "a", at: "2024-03-10T18:30:00.000Z", seen: 1 },
    ]);
  });
});

describe("what can't be told exactly is refused, with the reason and what would be right", () => {
  test.each([
    ["hours/rows?granularity=1d&tz=Asia/Kolkata", "GRANULARITY", ["+05:30 from UTC", "panes of 30m"]],
    [
      "hours/rows?granularity=1mo&tz=Asia/Kathmandu",
      "GRANULARITY",
      ["a month begins inside", "panes of 15m"],
    ],
    ["hours/rows?granularity=1d&tz=Australia/Lord_Howe", "GRANULARITY", ["+10:30", "panes of 30m"]],
    [
      "halves/rows?granularity=1d&tz=America/St_Johns&from=2010-01-01",
      "GRANULARITY",
      ["changed at 2010-11-07T02:31:00.000Z", "from=2010-11-07T03:00:00.000Z or later", "panes of 1m"],
    ],
    [
      "hours/rows?granularity=1d&tz=Asia/Singapore&from=1980-01-01",
      "GRANULARITY",
      ["+07:30 from UTC", "from=1981-12-31T16:00:00.000Z or later"],
    ],
    ["odd/rows?granularity=1mo", "GRANULARITY", ["a day is no multiple", "which are 5h long"]],
    ["odd/rows?granularity=1d&tz=Europe/Berlin", "GRANULARITY", ["a day is no multiple"]],
    ["roman-weeks/rows?granularity=1mo", "GRANULARITY", ['panes of 1w; give "all"']],
    ["roman-days/rows?granularity=1h", "GRANULARITY", ['panes of 1d; give "1w", "1mo", "all"']],
    ["roman-days/rows?tz=America/Chicago", "PARAMETER", ["other midnights", "leave tz out"]],
    ["hours/rows?granularity=2h&tz=Europe/Berlin", "PARAMETER", ["granularity=1d, 1w or 1mo"]],
    ["hours/rows?granularity=all&tz=Europe/Berlin", "PARAMETER", ["granularity=1d, 1w or 1mo"]],
    ["hours/rows?granularity=1d&tz=Mars", "PARAMETER", ['"Mars" is no time zone']],
    ["hours/rows?granularity=1d&tz=%2B01:00", "PARAMETER", ["is no time zone"]],
  ])("%s", async (url, code, words) => {
    await using serving = startServing(views);
    await settled();
    const { status, body } = await serving.get(`/v1/views/${url}`);
    expect({ status, code: body.code }).toEqual({ status: 400, code: `TIDEMARK_QUERY_${code}` });
    for (const some of words) expect(body.detail).toContain(some);
  });

  test("in a range without a beginning, rules that are long gone matter where there are records of their time", async () => {
    const [now, then] = ["2024-03-10T12:00:00Z", "1937-05-01T23:00:00Z"].map((text) => ({
      ...{ host: "a", visitor: "ada", ms: 1 },
      time: Date.parse(text),
    })) as [Seen, Seen];
    const url = "/v1/views/hours/rows?granularity=1d&tz=Asia/Singapore";
    await using recent = await serve([now], 0);
    expect((await recent.get(url)).body.rows).toMatchObject([{ at: "2024-03-09T16:00:00.000Z", seen: 1 }]);
    for (const cut of [0, 2]) {
      await using old = await serve([now, { ...then, time: Date.parse("1937-05-01T16:00:00Z") }], cut);
      const { status, body } = await old.get(url);
      expect({ status, code: body.code }).toEqual({ status: 400, code: "TIDEMARK_QUERY_GRANULARITY" });
      expect(body.detail).toContain("the pane of at at 1937-05-01T16:00:00.000Z");
      expect(body.detail).toContain("give from=1981-12-31T16:00:00.000Z or later");
      const since = await old.get(`${url}&from=1981-12-31T16:00:00.000Z`);
      expect(since.body.rows).toHaveLength(1);
    }
  });
});
