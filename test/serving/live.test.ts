import { once } from "node:events";
import { connect } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readServerSentEvents } from "../../infra/server-sent-events.ts";
import type { StateRow } from "../../views/state.ts";
import { Cable } from "./cable.ts";
import { Follower, LiveServer } from "./live-server.ts";
import { byMachine, hour, type Measured, stateOf } from "./measured.ts";

let server: LiveServer;
const followers: Follower[] = [];

beforeEach(async () => {
  server = await LiveServer.start([byMachine]);
});
afterEach(async () => {
  for (const follower of followers.splice(0)) follower[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

function follow(parameters: Readonly<Record<string, string>>, of = server): Follower {
  const follower = new Follower(of.rowsUrl({ every: "1ms", ...parameters, live: "true" }));
  followers.push(follower);
  return follower;
}

const record = (more: Partial<Measured>): StateRow =>
  stateOf({ site: "a", unit: 1, label: null, isOn: true, hour: 0, value: 1, ...more });

const sites = { groupBy: "site", measures: "records,total" };

/** Follows until it knows what the server answers now. */
async function knowsAllOf(
  follower: Follower,
  parameters: Readonly<Record<string, string>>,
  of: LiveServer,
): Promise<void> {
  const { rows } = await of.rows(parameters);
  const keyOf = (row: Record<string, unknown>) => JSON.stringify(follower.key.map((name) => row[name]));
  await follower.until(() => {
    if (follower.rows.size !== rows.length) return false;
    return rows.every(
      (row: Record<string, unknown>) => JSON.stringify(follower.rows.get(keyOf(row))) === JSON.stringify(row),
    );
  });
}

/** The first event that a client gets that gives this id. */
async function firstEvent(parameters: Readonly<Record<string, string>>, lastId?: string) {
  const abort = new AbortController();
  const response = await fetch(server.rowsUrl({ ...parameters, live: "true" }), {
    headers: lastId === undefined ? {} : { "last-event-id": lastId },
    signal: abort.signal,
  });
  try {
    for await (const { event, id, data } of readServerSentEvents(response.body as never)) {
      const { rows, gone } = JSON.parse(data);
      return { event, id, rows, gone };
    }
    throw new Error("no event");
  } finally {
    abort.abort();
  }
}

/** Until the server takes one more client, which then leaves. */
async function untilTaken(from: LiveServer, meanwhile: () => void = () => undefined): Promise<void> {
  for (;;) {
    const abort = new AbortController();
    const { status } = await fetch(from.rowsUrl({ ...sites, live: "true" }), { signal: abort.signal });
    abort.abort();
    if (status === 200) return;
    meanwhile();
  }
}

describe("a live query", () => {
  test("tells all rows, then those that change, and what they rest on", async () => {
    server.add(0, [record({}), record({ site: "b" })]);
    const follower = follow(sites);
    await follower.until(() => follower.rows.size === 2);
    expect(follower.key).toEqual(["site"]);
    server.add(1, [record({ site: "b", value: 5 })]);
    await follower.until(() => follower.events.length === 2);
    expect(follower.events).toEqual(["rows", "change"]);
    expect([...follower.rows.values()]).toEqual([
      { site: "a", records: 1, total: 1 },
      { site: "b", records: 2, total: 6 },
    ]);
    const { provenance } = await server.rows(sites);
    expect(follower.provenance).toEqual(provenance);
  });

  test("says of a row that another has taken the place of that it is gone", async () => {
    server.add(0, [record({ site: "a" }), record({ site: "a" }), record({ site: "b" })]);
    const top = { ...sites, orderBy: "-records", limit: "1" };
    const follower = follow(top);
    await follower.until(() => follower.rows.size === 1);
    server.add(0, [record({ site: "b" }), record({ site: "b" })]);
    await follower.until(() => follower.events.length === 2);
    expect([...follower.rows.values()]).toEqual([{ site: "b", records: 3, total: 3 }]);
  });

  test("tells nothing to those whose rows did not change", async () => {
    server.add(0, [record({ site: "a" }), record({ site: "b" })]);
    const ofA = follow({ ...sites, site: "a" });
    const ofAll = follow(sites);
    await ofA.until(() => ofA.rows.size === 1);
    await ofAll.until(() => ofAll.rows.size === 2);
    server.add(0, [record({ site: "b" })]);
    await ofAll.until(() => ofAll.events.length === 2);
    server.add(0, [record({ site: "a" })]);
    await ofA.until(() => ofA.events.length === 2);
    expect(ofA.rows.get('["a"]')).toEqual({ site: "a", records: 2, total: 2 });
    expect(ofA.events).toEqual(["rows", "change"]);
  });

  test("that is of sessions, of attributes or of the batch layer alone is asked anew", async () => {
    const follower = follow({ ...sites, layer: "batch" });
    await new Promise((resolve) => {
      follower.source.onerror = resolve;
    });
    expect(follower.events).toEqual([]);
    const cut = server.position;
    server.generations.add(byMachine, "g-1", cut, [record({})]);
    await server.generations.point(byMachine.name, "g-1");
    const again = follow({ ...sites, layer: "batch" });
    await again.until(() => again.rows.size === 1);
    server.generations.add(byMachine, "g-2", cut, [record({ value: 7 })]);
    await server.generations.point(byMachine.name, "g-2");
    await again.until(() => again.rows.get('["a"]')?.total === 7);
  });

  test("goes on through a new generation and a rollback", async () => {
    server.add(0, [record({ site: "a" }), record({ site: "b" })]);
    const follower = follow(sites);
    await follower.until(() => follower.rows.size === 2);
    const cut = server.position;
    server.seal();
    // Drift, so that the switch can be seen.
    server.generations.add(byMachine, "g-1", cut, [record({ site: "a", value: 100 })]);
    await server.generations.point(byMachine.name, "g-1");
    await follower.until(() => follower.provenance.generation === "g-1");
    expect([...follower.rows.values()]).toEqual([{ site: "a", records: 1, total: 100 }]);
    server.add(1, [record({ site: "a" })]);
    await follower.until(() => follower.rows.get('["a"]')?.total === 101);
  });

  test("knows at every moment what a query knows that is answered once", async () => {
    const some = fc.record({
      site: fc.constantFrom("a", "b", "c"),
      unit: fc.constantFrom(null, 1, 2),
      hour: fc.constantFrom(0, hour, 2 * hour),
      value: fc.integer({ min: -5, max: 5 }),
    });
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.nat({ max: 1 }), fc.array(some, { minLength: 1, maxLength: 4 })) },
      { weight: 1, arbitrary: fc.constant("seal" as const) },
      { weight: 1, arbitrary: fc.constant("publish" as const) },
    );
    const queries: readonly Readonly<Record<string, string>>[] = [
      {},
      sites,
      { groupBy: "", measures: "records,average,least" },
      { groupBy: "unit,hour", granularity: "2h", orderBy: "-total", limit: "2" },
      { site: "b", from: "0", to: String(2 * hour) },
      { groupBy: "site", layer: "speed" },
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        await using fresh = await LiveServer.start([byMachine]);
        const following = queries.map((query) => ({ query, follower: follow(query, fresh) }));
        const all: StateRow[] = [];
        for (const [i, each] of steps.entries()) {
          if (each === "seal") fresh.seal();
          else if (each === "publish") {
            fresh.seal();
            fresh.generations.add(byMachine, `g-${i}`, fresh.position, all);
            await fresh.generations.point(byMachine.name, `g-${i}`);
          } else {
            const rows = each[1].map((more) => record(more));
            all.push(...rows);
            fresh.add(each[0], rows);
          }
          for (const { query, follower } of following) await knowsAllOf(follower, query, fresh);
        }
        for (const { follower } of following) follower[Symbol.dispose]();
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });
});

describe("a client that comes back", () => {
  test("with the id of its last event is told what changed since, gone rows too", async () => {
    server.add(0, [record({ site: "a" }), record({ site: "b" }), record({ site: "b" })]);
    const top = { ...sites, orderBy: "-records", limit: "1" };
    const { id } = await firstEvent(top);
    server.add(0, [record({ site: "a" }), record({ site: "a" })]);
    expect(await firstEvent(top, id)).toEqual({
      id: id?.replace(/1$/, "2"),
      event: "change",
      rows: [{ site: "a", records: 3, total: 3 }],
      gone: [{ site: "b" }],
    });
  });

  test("with an id of another server, or of nothing, is told everything", async () => {
    server.add(0, [record({})]);
    for (const id of ["0.1", "deadbeef.7", "what", ""]) {
      expect((await firstEvent(sites, id)).event).toBe("rows");
    }
  });

  test("is what a standard EventSource does by itself when the connection breaks", async () => {
    server.add(0, [record({ site: "a" }), record({ site: "b" })]);
    await using proxy = await Cable.to(server.url);
    const follower = new Follower(server.rowsUrl({ ...sites, live: "true" }).replace(server.url, proxy.url));
    followers.push(follower);
    await follower.until(() => follower.rows.size === 2);
    proxy.cut();
    server.add(0, [record({ site: "b" })]);
    await follower.until(() => follower.rows.get('["b"]')?.records === 2);
    // No second "rows": it went on where it had been.
    expect(follower.events).toEqual(["rows", "change"]);
  });
});

describe("live queries", () => {
  test("take parameters that make sense, and say what does not", async () => {
    const wrong: readonly [Readonly<Record<string, string>>, RegExp][] = [
      [{ live: "yes" }, /live="yes": give true or false/],
      [{ every: "1s" }, /together with live=true/],
      [{ live: "true", every: "1" }, /from 1ms to 1h/],
      [{ live: "true", cursor: "x" }, /cursor can't be asked for/],
      [{ live: "true", limit: "10001" }, /10000 at most/],
      [{ live: "true", groupBy: "nothing" }, /no dimension "nothing"/],
    ];
    for (const [parameters, detail] of wrong) {
      const { status, code, detail: said } = await server.rows(parameters);
      expect(status).toBe(400);
      expect(code).toMatch(/^TIDEMARK_QUERY_/);
      expect(said).toMatch(detail);
    }
    expect((await server.rows({ live: "false" })).rows).toEqual([]);
  });

  test("are refused beyond so many, and taken again when one has left", async () => {
    await using small = await LiveServer.start([byMachine], { subscribers: 2 });
    const [first, second] = [follow(sites, small), follow(sites, small)];
    await first.until(() => first.events.length === 1);
    await second.until(() => second.events.length === 1);
    expect(await small.rows({ ...sites, live: "true" })).toMatchObject({
      status: 503,
      code: "TIDEMARK_LIVE_FULL",
    });
    first[Symbol.dispose]();
    await untilTaken(small);
  });

  test("end with a reason for who does not take them", async () => {
    await using brisk = await LiveServer.start([byMachine], { slowMs: 500, subscribers: 1 });
    const { hostname, port } = new URL(brisk.url);
    await using socket = connect(Number(port), hostname);
    const many = Array.from({ length: 1_000 }, (_, unit) => record({ unit, label: "x".repeat(10_000) }));
    brisk.add(0, many);
    const path = brisk.rowsUrl({ live: "true", every: "1ms", limit: "1000" }).slice(brisk.url.length);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
    await once(socket, "readable");
    // Nothing is read while more is told than fits between the two; who is dropped makes room for another.
    await untilTaken(brisk, () => brisk.add(0, many));
    let said = "";
    socket.on("data", (chunk) => {
      said = (said + chunk).slice(-2_000);
    });
    await once(socket, "close");
    expect(said).toMatch(/event: end\ndata: .*"code":"TIDEMARK_LIVE_SLOW"/);
  });

  test("end with a reason when the server is stopped", async () => {
    const stopped = await LiveServer.start([byMachine]);
    const follower = new Follower(stopped.rowsUrl({ ...sites, live: "true" }));
    followers.push(follower);
    await follower.until(() => follower.events.length === 1);
    await stopped[Symbol.asyncDispose]();
    await follower.until(() => follower.ending !== undefined);
    expect(follower.ending).toMatchObject({ code: "TIDEMARK_LIVE_CLOSED", status: 503 });
  });
});
