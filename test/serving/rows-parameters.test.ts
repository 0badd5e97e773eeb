import { describe, expect, test } from "vitest";
import type { Cut } from "../../views/cut.ts";
import {
  count,
  defineEvent,
  defineView,
  distinct,
  mean,
  quantile,
  session,
  sliding,
  Type,
} from "../../views/index.ts";
import { onlyMapping } from "../../views/mapping.ts";
import { byMachine, hour, type Measured, measure, stateOf } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const topic = onlyMapping(byMachine).event.name;
const cutAt = (next: number) => ({ [topic]: [next, 0] }) as unknown as Cut;

/** Forty records of sites a to d, hour by hour; every third has no unit. */
const records: readonly Measured[] = Array.from({ length: 40 }, (_, i) => ({
  ...{ site: "abcd".charAt(i % 4), unit: i % 3 === 0 ? null : i % 5, label: null, isOn: true },
  ...{ hour: Math.floor(i / 2) * hour, value: i % 7 === 0 ? null : i },
}));

/** In one partition: a generation of the first `cut` records, and a tail that can be cut anew at 20. */
async function serve(cut: number): Promise<Serving> {
  const serving = startServing([byMachine]);
  serving.tail.put(byMachine, [
    { partition: 0, from: 0, next: 20, rows: records.slice(0, 20).map(stateOf) },
    { partition: 0, from: 20, next: 40, rows: records.slice(20).map(stateOf) },
  ]);
  if (cut > 0) await publish(serving, "g-1", cut);
  await settled();
  return serving;
}

async function publish({ generations }: Serving, id: string, cut: number): Promise<void> {
  generations.add(byMachine, id, cutAt(cut), records.slice(0, cut).map(stateOf));
  await generations.point(byMachine.name, id);
  await settled();
}

const rows = "/v1/views/by-machine/rows";

test("of one group over a long time the first rows are found, however far apart they lie", async () => {
  const hours = [0, 1, 3, 40, 41, 500, 9_000];
  const at = (each: readonly number[]) =>
    each.map((n) => stateOf({ site: "a", unit: 1, label: null, isOn: true, hour: n * hour, value: n }));
  await using serving = startServing([byMachine]);
  serving.tail.put(byMachine, [{ partition: 0, from: 4, next: 8, rows: at([1, 41, 500, 9_000]) }]);
  serving.generations.add(byMachine, "g-1", cutAt(4), at([0, 1, 3, 40]));
  await serving.generations.point(byMachine.name, "g-1");
  await settled();
  const one = `${rows}?site=a&unit=1&label=null&isOn=true&orderBy=hour&from=1970-01-01`;
  for (const [from, expected] of [hours, hours.slice(1)].entries()) {
    for (let limit = 1; limit <= hours.length; limit++) {
      const { body } = await serving.get(`${one}T0${from}:00:00Z&limit=${limit}`);
      const found = body.rows.map((row: { hour: string }) => Date.parse(row.hour) / hour);
      expect(found).toEqual(expected.slice(0, limit));
      expect(body.cursor === null).toBe(limit >= expected.length);
    }
  }
});

test.each(["", "&orderBy=-total", "&groupBy=site,hour&fill=zero&orderBy=-records"])(
  "a cursor goes on where its page ended, though a generation was published in between%s",
  async (order) => {
    await using serving = await serve(0);
    const query = `${rows}?limit=7${order}`;
    const whole = (await serving.get(`${query.replace("limit=7", "limit=1000")}`)).body.rows;
    const found: unknown[] = [];
    const generations = new Set<string | null>();
    let cursor: string | null = null;
    do {
      const { body } = await serving.get(`${query}${cursor === null ? "" : `&cursor=${cursor}`}`);
      found.push(...body.rows);
      generations.add(body.provenance.generation);
      cursor = body.cursor;
      if (generations.size === 1) await publish(serving, "g-1", 20);
    } while (cursor !== null);
    expect(found).toEqual(whole);
    expect([...generations]).toEqual([null, "g-1"]);
  },
);

describe("an explanation", () => {
  test.each([
    ["site=a&unit=1&label=null&isOn=true", "point", ["ranges", "index"], "looked up"],
    ["site=a&site=b&unit=1&label=null&isOn=true", "ranges", ["index"], "looked up"],
    ["site=a", "ranges", ["index"], "walked"],
    ["site:prefix=a", "ranges", ["index"], "walked"],
    ["site=a&unit:from=2", "ranges", ["index"], "walked"],
    ["site:not=a", "index", [], "walked"],
    ["unit=1", "index", [], "walked"],
  ])("of %s says the path, what else there was, and what was read", async (query, path, instead, how) => {
    await using serving = await serve(20);
    const { body } = await serving.get(`${rows}?${query}&explain=true`);
    const plain = await serving.get(`${rows}?${query}`);
    expect(body.rows).toEqual(plain.body.rows);
    expect(plain.body.explain).toBeUndefined();
    expect(body.explain).toMatchObject({ path, instead, tail: { how, segments: 1 }, rows: body.rows.length });
    expect(body.explain.generation.id).toBe("g-1");
    expect(body.explain.generation.read).toBeLessThanOrEqual(body.explain.generation.rows);
    expect(body.explain.ms).toBeGreaterThan(0);
  });

  test("tells that reading ended with the page, and that totals need all of it", async () => {
    await using serving = await serve(20);
    const read = async (more: string) =>
      (await serving.get(`${rows}?layer=batch&limit=1&explain=true${more}`)).body.explain.generation.read;
    expect(await read("")).toBeLessThan(12);
    expect(await read("&totals=true")).toBe(20);
  });

  test("has no generation where there is none, and no tail of the batch layer", async () => {
    await using serving = await serve(20);
    const explained = async (layer: string) =>
      (await serving.get(`${rows}?explain=true&layer=${layer}`)).body.explain;
    expect(await explained("speed")).toMatchObject({ generation: null, tail: { matched: 20 } });
    expect(await explained("batch")).toMatchObject({ generation: { read: 20 }, tail: null });
  });
});

describe("totals", () => {
  test("are of all rows, whichever page is asked for", async () => {
    await using serving = await serve(20);
    const first = await serving.get(`${rows}?unit=1&unit=2&groupBy=site&limit=1&totals=true`);
    const second = await serving.get(
      `${rows}?unit=1&unit=2&groupBy=site&limit=1&totals=true&cursor=${first.body.cursor}`,
    );
    const wanted = measure(records.filter(({ unit }) => unit === 1 || unit === 2));
    expect([first.body.totals, second.body.totals]).toEqual([wanted, wanted]);
    expect((await serving.get(`${rows}?site=nowhere&totals=true`)).body.totals).toEqual(measure([]));
  });

  test("are refused of windows that overlap", async () => {
    const overlapping = defineView({
      name: "overlapping",
      from: onlyMapping(byMachine).event as never,
      by: () => ({ hour: sliding("2h", { every: "1h" }) }),
      measures: () => ({ records: count() }),
    });
    await using serving = startServing([overlapping]);
    await settled();
    const { body } = await serving.get("/v1/views/overlapping/rows?totals=true");
    expect(body).toMatchObject({ code: "TIDEMARK_QUERY_GRANULARITY" });
    expect(body.detail).toContain("an event would count several times");
    const { statusCode } = await serving.server.inject(
      "/v1/views/overlapping/rows?fill=zero&from=0&to=3600000",
    );
    expect(statusCode).toBe(200);
  });
});

describe("fill", () => {
  const ask = async (query: string) => {
    await using serving = await serve(20);
    return (await serving.get(`${rows}?measures=records,average&${query}`)).body;
  };

  test("gives the one series that is named a row in every pane, even if it has none", async () => {
    const { rows: found } = await ask("site=nowhere&groupBy=site,hour&from=0&to=10800000&fill=zero");
    expect(found).toEqual(
      [0, 1, 2].map((h) => ({
        site: "nowhere",
        hour: new Date(h * hour).toISOString(),
        records: 0,
        average: 0,
      })),
    );
    expect((await ask("site=nowhere&groupBy=site,hour&from=0&fill=zero")).rows).toEqual([]);
    expect(
      (await ask("site=nowhere&site=either&groupBy=site,hour&from=0&to=7200000&fill=zero")).rows,
    ).toEqual([]);
  });

  test("reaches from the first to the last row of any series where the range is open", async () => {
    const { rows: found } = await ask("groupBy=site,hour&fill=null&limit=1000");
    expect(found).toHaveLength(4 * 20);
    const [first] = found.filter(({ records }: { records: unknown }) => records === null);
    expect(first).toMatchObject({ site: "a", hour: new Date(hour).toISOString(), average: null });
  });

  test("orders and cuts off what it made like any row", async () => {
    const { rows: found, totals } = await ask(
      "site=a&groupBy=hour&from=0&to=14400000&fill=zero&orderBy=records,-hour&limit=3&totals=true",
    );
    expect(
      found.map(({ hour: at, records: n }: { hour: string; records: number }) => [Date.parse(at) / hour, n]),
    ).toEqual([
      [3, 0],
      [1, 0],
      [2, 1],
    ]);
    expect(totals.records).toBe(2);
  });

  test("is refused where it would make more than a million rows", async () => {
    expect(await ask("groupBy=site,hour&fill=zero&to=9999-01-01")).toMatchObject({
      code: "TIDEMARK_QUERY_TOO_LARGE",
      detail: expect.stringContaining("fill=zero makes more than 1000000 rows"),
    });
  });

  test("is refused between sessions, and fills what they are rolled up into", async () => {
    const visits = defineView({
      name: "visits",
      from: defineEvent({
        name: "test.page.seen",
        schema: Type.Object({ who: Type.String() }),
        partitions: 1,
      }),
      by: (f) => ({ who: f.who, visit: session("30m") }),
      measures: (f) => ({ pages: count(), people: distinct(f.who, { upTo: 10 }) }),
      sessions: (s) => ({ length: mean(s.length), typical: quantile(s.pages, 0.5) }),
    });
    await using serving = startServing([visits]);
    await settled();
    const refused = await serving.get("/v1/views/visits/rows?fill=zero");
    expect(refused.body).toMatchObject({ code: "TIDEMARK_QUERY_FILL" });
    expect(refused.body.detail).toContain("give granularity");
    const { body } = await serving.get(
      "/v1/views/visits/rows?groupBy=visit&granularity=1d&from=2001-01-01&to=2001-01-03&fill=zero&measures=pages",
    );
    expect(body.rows).toEqual([
      { visit: "2001-01-01T00:00:00.000Z", pages: 0 },
      { visit: "2001-01-02T00:00:00.000Z", pages: 0 },
    ]);
  });
});
