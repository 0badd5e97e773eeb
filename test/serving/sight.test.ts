import { afterAll, beforeAll, expect, test } from "vitest";
import { readApiKeys } from "../../infra/access/api-keys.ts";
import { systemClock } from "../../serving-layer/clock.ts";
import type { Cut } from "../../views/cut.ts";
import { count, defineView } from "../../views/index.ts";
import { byMachine, hour, type Measured, measured, stateOf } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

// Sites are the tenants here.

const total = defineView({
  name: "total",
  from: measured,
  by: (f) => ({ isOn: f.isOn }),
  measures: () => ({ records: count() }),
});
const secret = (name: string) => `${name}-0123456789abcdef`;
const secrets = {
  all: secret("all"),
  a: secret("a"),
  b: secret("b"),
  ab: secret("ab"),
  narrow: secret("narrow"),
};
const keys = readApiKeys(
  Object.entries(secrets)
    .map(([name, text]) => `${name}:query+operate+ingest:${text}`)
    .join(","),
  "TIDEMARK_API_KEYS",
);
const policy = {
  keys: {
    a: { rowFilter: { site: "a" } },
    b: { rowFilter: { site: "b" } },
    ab: { rowFilter: { site: ["a", "b"] } },
    narrow: { views: ["total"] },
  },
};

const records: readonly Measured[] = Array.from({ length: 60 }, (_, i) => ({
  site: ["a", "b", "c"][i % 3] ?? "",
  unit: i % 4 === 0 ? null : i % 5,
  label: i % 7 === 0 ? null : `l${i % 2}`,
  isOn: i % 2 === 0,
  hour: Math.floor(i / 12) * hour,
  value: i,
}));

/** The records in a generation and a tail; what was served at the cut differs in one key of each site. */
async function platform(of: readonly Measured[], options = {}): Promise<Serving> {
  const serving = startServing([byMachine, total], systemClock, new Map(), options);
  const batch = of.filter(({ value }) => (value ?? 0) < 30);
  const cut = { [measured.name]: [30, 0] } as unknown as Cut;
  const served = batch.filter(({ value }) => (value ?? 0) < 3).map(stateOf);
  const drift = served.map((row) => ({ ...row, cells: [7, 7n, 7, 1, 7, 7] }));
  serving.generations.add(byMachine, "g-1", cut, batch.map(stateOf), { drift });
  serving.generations.add(total, "g-2", cut, []);
  const rows = of.filter(({ value }) => (value ?? 0) >= 30).map(stateOf);
  serving.tail.put(byMachine, [{ partition: 0, from: 30, next: 60, rows }]);
  serving.tail.put(total, [{ partition: 0, from: 30, next: 60, rows: [] }]);
  await serving.generations.point(byMachine.name, "g-1");
  await serving.generations.point(total.name, "g-2");
  await settled();
  return serving;
}

let shared: Serving;
const alone = new Map<string, Serving>();

beforeAll(async () => {
  shared = await platform(records, { keys, policy });
  for (const name of ["a", "b", "ab"]) {
    alone.set(name, await platform(records.filter(({ site }) => name.includes(site))));
  }
});

afterAll(async () => {
  for (const serving of [shared, ...alone.values()]) await serving[Symbol.asyncDispose]();
});

const filters = [
  "site:prefix=b",
  "site:not=a",
  "site:from=b&site:to=c",
  "",
  "site=a",
  "site=b",
  "site=c",
  "site=a&site=c",
  "site=a&unit=null",
  "unit=3&isOn=true",
  "label=l1",
];
const groupings = [
  "",
  "groupBy=",
  "groupBy=site",
  "groupBy=unit,hour",
  "groupBy=hour&granularity=2h",
  "granularity=all",
];
const rest = [
  "fill=zero",
  "totals=true",
  "",
  "orderBy=-records",
  "layer=batch",
  "layer=speed",
  "from=1970-01-01T01:00:00Z&to=1970-01-01T04:00:00Z",
];
/** Each filter with each grouping, and with each of the rest in turn. */
const searches = filters.flatMap((filter, i) =>
  groupings.map((grouping, j) => [filter, grouping, rest[(i + j) % rest.length]].filter(Boolean).join("&")),
);

test.each(["rows", "compare"])(
  "%s of a tenant are what a platform with its rows alone would answer, whatever is asked",
  async (path) => {
    for (const search of searches) {
      if (path === "compare" && /layer=|fill=|totals=/.test(search)) continue;
      const url = `/v1/views/by-machine/${path}?${search}`;
      for (const name of ["a", "b", "ab"] as const) {
        const mine = await shared.get(url, secrets[name]);
        const expected = await alone.get(name)?.get(url);
        const { provenance: _, ...answer } = expected?.body ?? {};
        expect({ url, name, status: mine.status }).toEqual({ url, name, status: expected?.status });
        // A cursor belongs to who it was given to.
        expect({ url, name, ...mine.body, cursor: null }).toMatchObject({
          url,
          name,
          ...answer,
          cursor: null,
        });
      }
    }
  },
);

test("the same question at the same moment has an answer for each caller, kept or not", async () => {
  const url = "/v1/views/by-machine/rows?groupBy=site&measures=records";
  const sites = async (name: keyof typeof secrets) =>
    (await shared.get(url, secrets[name])).body.rows.map(({ site }: { site: string }) => site);
  for (let round = 0; round < 2; round++) {
    expect(await sites("all")).toEqual(["a", "b", "c"]);
    expect(await sites("a")).toEqual(["a"]);
    expect(await sites("b")).toEqual(["b"]);
    expect(await sites("ab")).toEqual(["a", "b"]);
  }
  const etag = (name: keyof typeof secrets) =>
    shared.server
      .inject({ url, headers: { authorization: `Bearer ${secrets[name]}` } })
      .then(({ headers }) => headers.etag);
  const tags = await Promise.all([etag("all"), etag("a"), etag("b"), etag("ab")]);
  expect(new Set(tags).size).toBe(4);
  const point = "/v1/views/by-machine/rows?site=a&unit=1&label=l1&isOn=false";
  const rows = async (name: keyof typeof secrets) =>
    (await shared.get(point, secrets[name])).body.rows.length;
  for (let round = 0; round < 2; round++) {
    expect(await rows("all")).toBeGreaterThan(0);
    expect(await rows("b")).toBe(0);
    expect(await rows("a")).toBe(await rows("all"));
  }
});

test("a cursor of another tenant is no cursor", async () => {
  const url = "/v1/views/by-machine/rows?limit=2";
  const { cursor } = (await shared.get(url, secrets.b)).body;
  expect(cursor).not.toBeNull();
  for (const name of ["a", "ab", "all"] as const) {
    const { body } = await shared.get(`${url}&cursor=${cursor}`, secrets[name]);
    expect(body.code).toBe("TIDEMARK_QUERY_CURSOR");
  }
  expect((await shared.get(`${url}&cursor=${cursor}`, secrets.b)).status).toBe(200);
});

test("how an answer was come by, which counts the rows of all, is not told to who sees some", async () => {
  const url = "/v1/views/by-machine/rows?explain=true";
  expect((await shared.get(url, secrets.all)).status).toBe(200);
  expect((await shared.get(url, secrets.a)).body.code).toBe("TIDEMARK_AUTH_FORBIDDEN");
});

test("views that a caller may not read, or whose rows can't be told apart, are not there for it", async () => {
  const seen = async (name: keyof typeof secrets) =>
    (await shared.get("/v1/views", secrets[name])).body.views.map((view: { name: string }) => view.name);
  expect(await seen("all")).toEqual(["by-machine", "total"]);
  expect(await seen("narrow")).toEqual(["total"]);
  expect(await seen("a")).toEqual(["by-machine"]);
  for (const path of ["", "/rows", "/compare"]) {
    const { status, body } = await shared.get(`/v1/views/total${path}`, secrets.a);
    expect({ status, code: body.code }).toEqual({ status: 404, code: "TIDEMARK_QUERY_VIEW_UNKNOWN" });
    expect(body.detail).toBe('there is no view "total"; there are by-machine');
    expect((await shared.get(`/v1/views/by-machine${path}`, secrets.narrow)).status).toBe(404);
  }
  expect((await shared.get("/v1/views/by-machine", secrets.a)).body.generations).toEqual([]);
});

test("what speaks of everything is for who may see everything, also what is added later", async () => {
  const paths = ["/v1/status", "/v1/reconciliations", "/v1/dead-letters", "/v1/batch/runs", "/metrics", "/"];
  for (const url of paths) {
    expect(
      (await shared.server.inject({ url, headers: { authorization: `Bearer ${secrets.all}` } })).statusCode,
    ).toBe(200);
    for (const name of ["a", "narrow"] as const) {
      const { status, body } = await shared.get(url, secrets[name]);
      expect({ url, status, code: body.code }).toEqual({ url, status: 403, code: "TIDEMARK_AUTH_FORBIDDEN" });
    }
  }
  const started = await shared.server.inject({
    method: "POST",
    url: "/v1/batch/runs",
    headers: { authorization: `Bearer ${secrets.a}` },
  });
  expect(started.statusCode).toBe(403);
});
