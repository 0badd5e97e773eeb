import { afterAll, expect, test } from "vitest";
import { type Answer, type StandIn, standIn, tidemark } from "./stand-in.ts";

const servers: StandIn[] = [];
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

async function serve(answers: Readonly<Record<string, Answer>>): Promise<StandIn> {
  const server = await standIn(answers);
  servers.push(server);
  return server;
}

const flipped = { view: "delays", was: 1, active: 2, former: 1 };

test("flip names the version, and says what was and how to go back", async () => {
  const server = await serve({ "POST /v1/views/delays/active": { body: flipped } });
  expect(await tidemark(server, "flip", "delays", "--to", "2")).toEqual({
    ...{ code: 0, err: "" },
    out: `delays is version 2, was 1; "tidemark rollback delays" leads back to version 1\n`,
  });
  expect(server.asked[0]).toMatchObject({ contentType: "application/json", body: '{"version":2}' });
  const { out } = await tidemark(server, "flip", "delays", "--to", "2", "--json");
  expect(JSON.parse(out)).toEqual(flipped);
});

test("a flip to what is active already says so", async () => {
  const server = await serve({
    "POST /v1/views/delays/active": { body: { view: "delays", was: 2, active: 2, former: 1 } },
  });
  expect((await tidemark(server, "flip", "delays", "--to", "2")).out).toBe(
    "delays is version 2, as before\n",
  );
});

test("flip without a version, or to none, is a command line that is wrong", async () => {
  for (const args of [
    ["flip", "delays"],
    ["flip", "delays", "--to", "0"],
    ["flip", "delays", "--to", "two"],
    ["flip"],
  ]) {
    expect((await tidemark(undefined, ...args)).code).toBe(2);
  }
});

test("rollback asks for no version", async () => {
  const server = await serve({
    "POST /v1/views/delays/rollback": { body: { view: "delays", was: 2, active: 1, former: 2 } },
  });
  expect((await tidemark(server, "rollback", "delays")).out).toBe(
    `delays is version 1, was 2; "tidemark rollback delays" leads back to version 2\n`,
  );
  expect(server.asked[0]?.body).toBe("");
});

test("a refusal is told with its code", async () => {
  const server = await serve({
    "POST /v1/views/delays/active": {
      status: 503,
      type: "application/problem+json",
      body: { code: "TIDEMARK_VIEW_BUILDING", detail: "version 2 is not built yet" },
    },
  });
  expect(await tidemark(server, "flip", "delays", "--to", "2")).toMatchObject({
    code: 1,
    err: "TIDEMARK_VIEW_BUILDING: version 2 is not built yet\n",
  });
});

const key = { origin: "ORD", hour: "2024-05-01T08:00:00.000Z" };
const differing = {
  ...{ view: "delays", cut: "test.flight.arrived@0:4000,1:500" },
  from: { version: 1, view: "delays@1", generation: "g-1", rows: 1_203 },
  to: { version: 2, view: "delays@2", generation: "g-2", rows: 1_202 },
  rows: { added: 1, gone: 2, changed: 1_200, equal: 1 },
  measures: [
    { name: "flights", differing: 0, largest: null, largestRelative: null },
    {
      ...{ name: "delay", differing: 1_200 },
      largest: { difference: 12_345.5, key, from: 10, to: 12_355.5 },
      largestRelative: { difference: 59.25, key: { ...key, origin: null }, from: 1, to: 60.25 },
    },
  ],
  ...{ onlyFrom: ["worst"], onlyTo: [], held: "1 of 3 runs without drift so far" },
  differing: [
    { kind: "changed", key, from: { flights: 7, delay: 10, worst: 3 }, to: { flights: 7, delay: 12_355.5 } },
    { kind: "gone", key: { ...key, origin: "JFK" }, from: { flights: 1, delay: 2, worst: 2 }, to: null },
  ],
};

test("diff shows how many rows differ, each measure's largest difference, and the first rows, aligned", async () => {
  const server = await serve({ "GET /v1/views/delays/diff": { body: differing } });
  const { code, out } = await tidemark(server, "diff", "delays", "--from", "1", "--limit", "2");
  expect(code).toBe(0);
  expect(Object.fromEntries(server.asked[0]?.parameters ?? [])).toEqual({ from: "1", limit: "2" });
  const lines = out.split("\n");
  expect(lines.slice(0, 8)).toEqual([
    "delays: version 1 (g-1) and version 2 (g-2), both of 4,500 records",
    "",
    "rows",
    "───────",
    "equal        1",
    "changed  1,200",
    "added        1",
    "gone         2",
  ]);
  expect(lines).toContainEqual(
    expect.stringMatching(
      /^delay +1,200 +12,345\.5 +ORD 2024-05-01T08:00:00\.000Z +\+5,930 % +– 2024-05-01T08:00:00\.000Z$/,
    ),
  );
  expect(lines).toContain("version 1 alone has worst");
  expect(lines).toContainEqual(
    expect.stringMatching(/^changed +ORD +2024-05-01 08:00 +delay +10 +12,355\.5$/),
  );
  expect(lines).toContainEqual(expect.stringMatching(/^gone +JFK +2024-05-01 08:00 +flights +1 +–$/));
  expect(lines).toContain("1,201 rows more differ: --limit shows more");
  expect(lines).toContain("not flipped to by policy: 1 of 3 runs without drift so far");
  expect(JSON.parse((await tidemark(server, "diff", "delays", "--json")).out)).toEqual(differing);
});
