import { expect, test } from "vitest";
import type { PastLimits } from "../../serving-layer/as-of/past-limits.ts";
import { type Clock, systemClock } from "../../serving-layer/clock.ts";
import type { Cut } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { onlyMapping } from "../../views/mapping.ts";
import { byMachine, hour, type Measured, stateOf } from "../serving/measured.ts";
import { plainSegment } from "../serving/plain-stores.ts";
import { type Serving, settled, startServing } from "../serving/serving.ts";

const topic = onlyMapping(byMachine).event.name;
const cutAt = (next: number) => ({ [topic]: [next, 0] }) as unknown as Cut;
const positionAt = (next: number) => `${topic}@0:${next},1:0`;

/** Forty records of sites a to d, hour by hour; all in one partition. */
const records: readonly Measured[] = Array.from({ length: 40 }, (_, i) => ({
  ...{ site: "abcd".charAt(i % 4), unit: i % 3 === 0 ? null : i % 5, label: null, isOn: true },
  ...{ hour: Math.floor(i / 2) * hour, value: i % 7 === 0 ? null : i },
}));
const between = (from: number, next: number) => records.slice(from, next).map(stateOf);

interface PastServing extends Serving {
  /** What was folded for answers, in order. */
  readonly folded: (readonly [from: number, next: number])[];
  /** Folds that begin from now on wait until the end of this. */
  held: Promise<void>;
}

/** A server whose log and tail end at 40. Nothing is published. */
function serve(limits: Partial<PastLimits> = {}, clock: Clock = systemClock): PastServing {
  const folding: Pick<PastServing, "folded" | "held"> = { folded: [], held: Promise.resolve() };
  const serving = startServing(
    [byMachine],
    clock,
    new Map(),
    {},
    {
      past: {
        limits,
        fold: async ({ view, from, next, maxEntries }) => {
          const [first = 0, end = 0] = [from[topic]?.[0], next[topic]?.[0]];
          folding.folded.push([first, end]);
          await folding.held;
          const segment = plainSegment(view, {
            partition: 0,
            from: first,
            next: end,
            rows: between(first, end),
          });
          if (segment.size > maxEntries) throw new TidemarkError("TIDEMARK_TAIL_FULL", "too many entries");
          return [segment];
        },
      },
    },
  );
  const middle = { partition: 0, from: 25, next: 40, rows: between(25, 40) };
  const pieces = [
    { partition: 0, from: 0, next: 10, rows: between(0, 10) },
    { partition: 0, from: 10, next: 25, rows: between(10, 25) },
  ];
  serving.tail.put(byMachine, [...pieces, middle]);
  serving.log.advanceTo(topic, [40, 0]);
  return Object.assign(folding, serving);
}

/** With generations of 10 and of 25 records, which serves. */
async function serveGenerations(limits: Partial<PastLimits> = {}, clock?: Clock): Promise<PastServing> {
  const serving = serve(limits, clock);
  // Newest first, as they are listed.
  publish(serving, "g-25", 25, "2001-01-02T00:00:00.000Z");
  publish(serving, "g-10", 10, "2001-01-01T00:00:00.000Z");
  await serving.generations.point(byMachine.name, "g-25");
  await settled();
  return serving;
}

function publish({ generations }: Serving, id: string, cut: number, createdAt: string): void {
  generations.add(byMachine, id, cutAt(cut), between(0, cut), { createdAt });
}

/** What a server answers that has never had more than the first records. */
async function serveFirst(next: number): Promise<Serving> {
  const serving = startServing([byMachine]);
  serving.tail.put(byMachine, [{ partition: 0, from: 0, next, rows: between(0, next) }]);
  serving.log.advanceTo(topic, [next, 0]);
  await settled();
  return serving;
}

const rows = "/v1/views/by-machine/rows";
const asOf = (what: string | number) =>
  `asOf=${encodeURIComponent(typeof what === "number" ? positionAt(what) : what)}`;

const questions = [
  "",
  "site=a&unit=1&label=null&isOn=true",
  "site=b&site=c&unit:not=null&measures=total,average",
  "groupBy=&measures=records,least,most",
  "groupBy=site&orderBy=-total&limit=2&totals=true",
  "groupBy=hour&granularity=1d",
  "groupBy=site,hour&from=1970-01-01&to=1970-01-01T12:00:00Z&fill=zero",
];

test("as of every cut, an answer is what it was when there was no more than that", async () => {
  await using serving = await serveGenerations();
  for (let next = 0; next <= 40; next++) {
    await using first = await serveFirst(next);
    for (const question of questions) {
      const { status, body } = await serving.get(`${rows}?${asOf(next)}&${question}`);
      const { body: right } = await first.get(`${rows}?${question}`);
      expect([status, body.rows, body.totals], `${question} as of ${next}`).toEqual([
        200,
        right.rows,
        right.totals,
      ]);
    }
    for (const format of ["ndjson", "csv"]) {
      const asked = (server: Serving, search: string) =>
        server.server.inject(`${rows}?groupBy=site&format=${format}${search}`);
      const [now, right] = [await asked(serving, `&${asOf(next)}`), await asked(first, "")];
      const lines = (text: string) => text.split("\n").filter((line) => !line.includes("provenance"));
      expect(lines(now.payload)).toEqual(lines(right.payload));
    }
  }
});

test("the nearest generation at or before the cut is taken, and what follows is folded", async () => {
  await using serving = await serveGenerations();
  for (const [next, generation, fold] of [
    [7, null, [0, 7]],
    [10, "g-10", undefined],
    [24, "g-10", [10, 24]],
    [25, "g-25", undefined],
    [40, "g-25", [25, 40]],
  ] as const) {
    const { body } = await serving.get(`${rows}?groupBy=&${asOf(next)}`);
    expect(body.provenance).toMatchObject({
      ...{ generation, position: positionAt(next), asOf: positionAt(next) },
      ...{ lag: 0, complete: true, layer: "merged" },
    });
    expect(serving.folded.at(-1)).toEqual(fold ?? serving.folded.at(-1));
  }
  expect(serving.folded).toHaveLength(3);
});

test("a generation's id and a time ask for the cut of a generation, of which nothing is folded", async () => {
  await using serving = await serveGenerations();
  for (const [asked, generation, next] of [
    ["g-10", "g-10", 10],
    ["2001-01-01", "g-10", 10],
    ["2001-01-01T23:59:59.999Z", "g-10", 10],
    ["2001-01-02T00:00:00Z", "g-25", 25],
    [String(Date.UTC(2001, 5, 1)), "g-25", 25],
  ] as const) {
    const { body } = await serving.get(`${rows}?groupBy=&${asOf(asked)}`);
    expect(body.rows).toMatchObject([{ records: next }]);
    expect(body.provenance).toMatchObject({ generation, position: positionAt(next), asOf: asked });
  }
  expect(serving.folded).toEqual([]);
});

test("of one layer: the generation alone, or what follows it up to the cut", async () => {
  await using serving = await serveGenerations();
  const batch = await serving.get(`${rows}?groupBy=&layer=batch&${asOf(24)}`);
  expect(batch.body.rows).toMatchObject([{ records: 10 }]);
  expect(batch.body.provenance).toMatchObject({ position: positionAt(10), lag: 14, complete: false });
  expect(serving.folded).toEqual([]);
  const speed = await serving.get(`${rows}?groupBy=&layer=speed&${asOf(24)}`);
  expect(speed.body.rows).toMatchObject([{ records: 14 }]);
  expect(speed.body.provenance).toMatchObject({
    generation: null,
    cut: positionAt(10),
    position: positionAt(24),
  });
  const none = await serving.get(`${rows}?groupBy=&layer=batch&${asOf(9)}`);
  expect([none.status, none.body.code]).toEqual([409, "TIDEMARK_QUERY_NO_GENERATION"]);
});

test("pages go on through the same past, whatever comes meanwhile; its cursor is of no other", async () => {
  await using serving = await serveGenerations();
  const url = `${rows}?${asOf(30)}&limit=7&orderBy=-total`;
  const pages: unknown[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const { body } = await serving.get(cursor === "" ? url : `${url}&cursor=${cursor}`);
    pages.push(...body.rows);
    cursor = body.cursor;
    serving.tail.put(byMachine, [{ partition: 1, from: 0, next: 1, rows: between(0, 1) }]);
  }
  const { body: all } = await serving.get(`${rows}?${asOf(30)}&orderBy=-total`);
  expect(pages).toEqual(all.rows);
  expect(serving.folded).toEqual([[25, 30]]);
  const { body } = await serving.get(url);
  const other = await serving.get(`${rows}?limit=7&orderBy=-total&cursor=${body.cursor}`);
  expect([other.status, other.body.code]).toEqual([400, "TIDEMARK_QUERY_CURSOR"]);
});

test("an answer as of a cut keeps its tag while events and generations come", async () => {
  await using serving = await serveGenerations();
  const ask = (etag = "") =>
    serving.server.inject({ url: `${rows}?groupBy=site&${asOf(24)}`, headers: { "if-none-match": etag } });
  const first = await ask();
  const etag = String(first.headers.etag);
  serving.tail.put(byMachine, [{ partition: 0, from: 40, next: 41, rows: between(0, 1) }]);
  serving.log.advanceTo(topic, [41, 0]);
  publish(serving, "g-40", 40, "2001-01-03T00:00:00.000Z");
  await serving.generations.point(byMachine.name, "g-40");
  await settled();
  expect((await ask(etag)).statusCode).toBe(304);
  const again = await ask();
  expect([again.headers.etag, again.payload]).toEqual([etag, first.payload]);
});

test("a comparison is of the generation nearest to the cut", async () => {
  await using serving = await serveGenerations();
  const { body } = await serving.get(`/v1/views/by-machine/compare?groupBy=&measures=records&${asOf(24)}`);
  expect(body.rows).toMatchObject([
    { batch: { records: 10 }, speed: { records: 10 }, merged: { records: 24 } },
  ]);
  expect(body.provenance).toMatchObject({
    generation: "g-10",
    position: positionAt(24),
    asOf: positionAt(24),
  });
  const none = await serving.get(`/v1/views/by-machine/compare?${asOf(9)}`);
  expect([none.status, none.body.code]).toEqual([409, "TIDEMARK_QUERY_NO_GENERATION"]);
});

test.each([
  ["yesterday", 400, "TIDEMARK_QUERY_PARAMETER", /position of an answer .* id of a generation .* or a time/],
  ["2001-02-30", 400, "TIDEMARK_QUERY_PARAMETER", /is no point in the past/],
  [`${topic}@0:x`, 400, "TIDEMARK_QUERY_PARAMETER", /is no point in the past/],
  [`${topic}@0:5`, 400, "TIDEMARK_QUERY_PARAMETER", /says nothing of test\.machine\.measured@1: name every/],
  [`${topic}@0:5,1:0,2:0`, 400, "TIDEMARK_QUERY_PARAMETER", /has partitions 0 to 1, no 2/],
  ["other@0:5", 400, "TIDEMARK_QUERY_PARAMETER", /there is no topic "other"/],
  ["g-11", 404, "TIDEMARK_GENERATION_UNKNOWN", /"g-11" is not kept; there are g-25 \(2001.*\), g-10 \(/],
  ["g-former", 404, "TIDEMARK_GENERATION_UNKNOWN", /another declaration of the view; there are g-25/],
  [
    "2000-12-31",
    404,
    "TIDEMARK_GENERATION_UNKNOWN",
    /no generation .* published by 2000-12-31; there are g-25/,
  ],
  [positionAt(41), 409, "TIDEMARK_ASOF_AHEAD", /ahead of the present: the log ends at .*0:40,1:0/],
  [
    positionAt(9),
    422,
    "TIDEMARK_ASOF_COSTLY",
    /takes 9 records .* 8 may be, from the first on.*g-25 .*batch\.keep/,
  ],
  [
    positionAt(20),
    422,
    "TIDEMARK_ASOF_COSTLY",
    /takes 10 records to be folded, and 8 may be, from generation g-10/,
  ],
] as const)("asOf=%s is refused: %s %s", async (what, status, code, detail) => {
  await using serving = await serveGenerations({ records: 8 });
  const former = { fingerprint: "another" as never, createdAt: "2000-01-01T00:00:00.000Z" };
  serving.generations.add(byMachine, "g-former", cutAt(1), [], former);
  for (const route of [rows, "/v1/views/by-machine/compare"]) {
    const { status: answered, body } = await serving.get(`${route}?${asOf(what)}`);
    expect([answered, body.code, body.detail]).toEqual([status, code, expect.stringMatching(detail)]);
  }
  expect(serving.folded).toEqual([]);
});

test("more entries than may be are refused with what there is instead", async () => {
  await using serving = await serveGenerations({ entries: 5 });
  expect((await serving.get(`${rows}?${asOf(30)}`)).status).toBe(200);
  const { status, body } = await serving.get(`${rows}?${asOf(40)}`);
  expect([status, body.code]).toEqual([422, "TIDEMARK_ASOF_COSTLY"]);
  expect(body.detail).toMatch(/make more than 5 groups, from generation g-25 on/);
});

test("asOf goes with neither after nor live", async () => {
  await using serving = await serveGenerations();
  for (const [more, detail] of [
    [`after=${positionAt(3)}`, /give one of them/],
    ["live=true", /asOf can't be asked for together with live=true/],
  ] as const) {
    const { status, body } = await serving.get(`${rows}?${asOf(20)}&${more}`);
    expect([status, body.code, body.detail]).toEqual([
      400,
      "TIDEMARK_QUERY_PARAMETER",
      expect.stringMatching(detail),
    ]);
  }
});

test("the last pasts are kept, a bounded number of them, and generations of others are closed", async () => {
  await using serving = await serveGenerations({ kept: 3 });
  const ask = async (...nexts: readonly number[]) => {
    for (const next of nexts) expect((await serving.get(`${rows}?groupBy=&${asOf(next)}`)).status).toBe(200);
  };
  await ask(11, 12, 13, 11, 12, 13);
  expect(serving.folded).toEqual([
    [10, 11],
    [10, 12],
    [10, 13],
  ]);
  await ask(14, 12, 13, 11);
  expect(serving.folded.slice(3)).toEqual([
    [10, 14],
    [10, 11],
  ]);
  const ofPasts = serving.generations.readers.filter(({ manifest }) => manifest.id === "g-10");
  expect(ofPasts.map(({ isClosed }) => isClosed)).toEqual([true, false, false, true, false]);
});

test("a past that nobody asks for any more is closed after a while", async () => {
  const due = new Set<() => void>();
  const clock: Clock = {
    ...systemClock,
    after(ms, callback) {
      if (ms !== 77_777) return systemClock.after(ms, callback);
      due.add(callback);
      return { [Symbol.dispose]: () => void due.delete(callback) };
    },
  };
  await using serving = await serveGenerations({ idleMs: 77_777 }, clock);
  const past = () => serving.generations.readers.filter(({ manifest }) => manifest.id === "g-10");
  for (const next of [12, 13, 12]) await serving.get(`${rows}?groupBy=&${asOf(next)}`);
  expect([due.size, past().some(({ isClosed }) => isClosed)]).toEqual([2, false]);
  for (const callback of due) callback();
  await settled();
  expect([due.size, past().every(({ isClosed }) => isClosed)]).toEqual([0, true]);
  await serving.get(`${rows}?groupBy=&${asOf(12)}`);
  expect(serving.folded).toHaveLength(3);
});

test("how many entries are kept is bounded too", async () => {
  await using serving = await serveGenerations({ entries: 6 });
  for (const next of [14, 13, 14, 13]) await serving.get(`${rows}?groupBy=&${asOf(next)}`);
  expect(serving.folded).toHaveLength(4);
});

test("questions of one past at once fold it once; of others one is folded at a time, and few wait", async () => {
  await using serving = await serveGenerations({ waiting: 1 });
  let letGo = () => {};
  serving.held = new Promise((resolve) => {
    letGo = resolve;
  });
  const ask = (next: number) => serving.get(`${rows}?groupBy=&${asOf(next)}`);
  const asked = [20, 20, 21, 20].map(ask);
  while (serving.folded.length === 0) await settled();
  const refused = await ask(22);
  expect([refused.status, refused.body.code]).toEqual([429, "TIDEMARK_ASOF_BUSY"]);
  expect(serving.folded).toEqual([[10, 20]]);
  letGo();
  const answers = await Promise.all(asked);
  expect(answers.map(({ body }) => body.rows[0].records)).toEqual([20, 20, 21, 20]);
  expect(serving.folded).toEqual([
    [10, 20],
    [10, 21],
  ]);
  expect((await ask(22)).status).toBe(200);
});

test("a generation that is gone when it is to be opened is passed over", async () => {
  await using serving = await serveGenerations();
  const { generations } = serving;
  const { open, list } = generations;
  generations.open = async (view, id) => {
    if (id === "g-10") {
      // Pruned just now.
      generations.list = async (name) =>
        (await list.call(generations, name)).filter((each) => each.id !== id);
      throw new TidemarkError("TIDEMARK_GENERATION_UNKNOWN", "gone");
    }
    return open.call(generations, view, id);
  };
  const { body } = await serving.get(`${rows}?groupBy=&${asOf(12)}`);
  expect([body.rows[0].records, body.provenance.generation]).toEqual([12, null]);
});
