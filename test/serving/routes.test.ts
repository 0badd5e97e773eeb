import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Cut } from "../../views/cut.ts";
import { onlyMapping } from "../../views/mapping.ts";
import { byMachine, stateOf } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const topic = onlyMapping(byMachine).event.name;
const row = stateOf({ site: "a", unit: 1, label: null, isOn: true, hour: 0, value: 3 });
const cut = { [topic]: [1, 0] } as unknown as Cut;

let serving: Serving;
beforeEach(async () => {
  serving = startServing([byMachine]);
  serving.tail.put(byMachine, [
    { partition: 0, from: 0, next: 1, rows: [row] },
    { partition: 0, from: 1, next: 3, rows: [row] },
  ]);
  serving.generations.add(byMachine, "g-0", {}, [], { createdAt: "2000-12-31T00:00:00.000Z" });
  serving.generations.add(byMachine, "g-1", cut, [row]);
  await serving.generations.point(byMachine.name, "g-1");
  await settled();
});
afterEach(() => serving[Symbol.asyncDispose]());

describe("views", () => {
  test("are listed with all that a query can name", async () => {
    const { body } = await serving.get("/v1/views");
    expect(body.views).toHaveLength(1);
    expect(body.views[0]).toMatchObject({
      name: "by-machine",
      fingerprint: byMachine.fingerprint,
      window: { name: "hour", kind: "tumbling", width: "1h" },
    });
    expect(body.views[0].dimensions[1]).toEqual({ name: "unit", type: "integer", nullable: true });
    expect(body.views[0].measures[2]).toMatchObject({ name: "average", kind: "mean", type: "number" });
    expect(body.views[0].columns[2]).toEqual({ name: "average.sum", type: "integer" });
  });

  test("name their generations and the one that serves", async () => {
    const { body } = await serving.get("/v1/views/by-machine");
    const generations = body.generations.map(({ id, isServing }: { id: string; isServing: boolean }) => [
      id,
      isServing,
    ]);
    expect(new Map(generations)).toEqual(
      new Map([
        ["g-1", true],
        ["g-0", false],
      ]),
    );
    expect((await serving.get("/v1/views/nothing")).body.code).toBe("TIDEMARK_QUERY_VIEW_UNKNOWN");
  });

  test("roll back to a generation by its id", async () => {
    const { statusCode } = await serving.server.inject({
      method: "POST",
      url: "/v1/views/by-machine/generations/g-0/activate",
    });
    expect(statusCode).toBe(200);
    await settled();
    const { body } = await serving.get("/v1/views/by-machine/rows?groupBy=&measures=records");
    expect(body).toMatchObject({ rows: [{ records: 2 }], provenance: { generation: "g-0" } });
    const unknown = await serving.server.inject({
      method: "POST",
      url: "/v1/views/by-machine/generations/g-9/activate",
    });
    expect(unknown.json()).toMatchObject({ status: 404, code: "TIDEMARK_GENERATION_UNKNOWN" });
    expect(unknown.json().detail).toContain("there are g-1, g-0");
  });

  test("show their reconciliations, newest first", async () => {
    const { body } = await serving.get("/v1/reconciliations?view=by-machine");
    expect(body.reconciliations.map(({ generation }: { generation: string }) => generation)).toEqual([
      "g-1",
      "g-0",
    ]);
    expect(body.reconciliations[0]).toMatchObject({
      view: "by-machine",
      cut: `${topic}@0:1,1:0`,
      reconciliation: { kind: "compared" },
    });
    expect((await serving.get("/v1/reconciliations?limit=1")).body.reconciliations).toHaveLength(1);
    expect((await serving.get("/v1/reconciliations?count=1")).body).toMatchObject({
      code: "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
      detail: `there is no parameter "count"; there are view, generation, kind, drifting, limit, cursor`,
    });
  });
});

describe("runs", () => {
  const post = (payload?: object) =>
    serving.server.inject({ method: "POST", url: "/v1/batch/runs", ...(payload && { payload }) });

  test("are asked for, listed, looked at and cancelled", async () => {
    const asked = await post();
    expect([asked.statusCode, asked.headers.location]).toEqual([202, "/v1/batch/runs/run-1"]);
    expect(asked.json()).toMatchObject({ id: "run-1", requestedBy: "http", state: "queued" });
    expect((await post({ ifBusy: "refuse" })).json()).toMatchObject({
      status: 409,
      code: "TIDEMARK_RUN_BUSY",
    });
    expect((await serving.get("/v1/batch/runs?limit=5")).body.runs).toHaveLength(1);
    const cancelled = await serving.server.inject({ method: "DELETE", url: "/v1/batch/runs/run-1" });
    expect(cancelled.json()).toMatchObject({ id: "run-1", state: "cancelled" });
    expect((await serving.get("/v1/batch/runs/run-1")).body.state).toBe("cancelled");
    for (const url of ["/v1/batch/runs/run-9", "/v1/batch/runs/run-9/events"]) {
      expect((await serving.get(url)).body).toMatchObject({ status: 404, code: "TIDEMARK_RUN_UNKNOWN" });
    }
  });

  test.each([{ ifBusy: "perhaps" }, { when: "now" }, ["refuse"]])(
    "are refused for a body %j",
    async (payload) => {
      const { statusCode, body } = await post(payload);
      expect([statusCode, JSON.parse(body).code]).toEqual([400, "TIDEMARK_REQUEST"]);
      expect(body).toContain("ifBusy");
      expect(serving.jobs.runs).toEqual([]);
    },
  );

  /** A client on a real socket, and all that it has received. */
  async function follow() {
    if (!serving.server.server.listening) await serving.server.listen({ host: "127.0.0.1", port: 0 });
    const { port } = serving.server.server.address() as AddressInfo;
    const socket = connect(port, "127.0.0.1");
    let received = "";
    const reached = async (text: string) => {
      while (!received.includes(text)) received += String((await once(socket, "data"))[0]);
      return received;
    };
    socket.write("GET /v1/batch/runs/run-1/events HTTP/1.1\r\nHost: here\r\n\r\n");
    return { socket, reached };
  }

  test("are followed from where they are to their end", async () => {
    await post();
    const { socket, reached } = await follow();
    expect(await reached('"state":"queued"')).toContain("content-type: text/event-stream");
    serving.jobs.change("run-1", {
      state: "running",
      progress: { step: "compute", view: null, fraction: 0.5 },
    });
    expect(await reached('"fraction":0.5')).toContain("event: progress\ndata: {");
    serving.jobs.change("run-1", { state: "succeeded", finishedAt: "2001-01-01T00:01:00.000Z" });
    expect(await reached("event: end")).toContain('"state":"succeeded"');
    expect(serving.jobs.watchers).toBe(0);
    socket.destroy();
    const late = await follow();
    await late.reached('event: end\ndata: {"id":"run-1","state":"succeeded"');
    late.socket.destroy();
  });

  test("are no more followed once the client is gone, and do not hold up the server's end", async () => {
    await post();
    const { socket, reached } = await follow();
    await reached('"state":"queued"');
    expect(serving.jobs.watchers).toBe(1);
    socket.destroy();
    while (serving.jobs.watchers > 0) await settled();
    const other = await follow();
    await other.reached('"state":"queued"');
    const ended = once(other.socket, "close");
    other.socket.resume();
    await serving.server.close();
    await ended;
    expect(serving.jobs.watchers).toBe(0);
  });
});

describe("status", () => {
  test("says how far every part is", async () => {
    serving.log.ends.set(topic, [4, 0] as never);
    await serving.jobs.submit({ requestedBy: "test", ifBusy: "wait" });
    const { body } = await serving.get("/v1/status");
    expect(body).toMatchObject({
      app: "test",
      profile: "embedded",
      log: { [topic]: { nexts: [4, 0] } },
      archived: null,
      views: {
        "by-machine": {
          generation: { id: "g-1", rows: 1 },
          tail: { segments: 1, entries: 1 },
          position: `${topic}@0:3,1:0`,
          lag: 1,
        },
      },
      runs: { running: null, queued: 1, last: null, obstacle: null },
      deadLetters: 0,
    });
    expect(body.uptimeMs).toBeGreaterThanOrEqual(0);
  });

  test("is healthy while not ready", async () => {
    serving.tail.drop(byMachine);
    expect((await serving.get("/healthz")).body).toEqual({ status: "up" });
    expect(await serving.get("/readyz")).toMatchObject({ status: 503, body: { code: "TIDEMARK_NOT_READY" } });
  });

  test("says that runs can't be asked for now, and stays ready: queries and ingest go on", async () => {
    serving.jobs.hindrance = "Redis at redis://127.0.0.1:6379 can't be used";
    const degraded = [serving.jobs.hindrance];
    expect(await serving.get("/readyz")).toMatchObject({ status: 200, body: { status: "ready", degraded } });
    const runs = { running: null, queued: null, last: null, obstacle: serving.jobs.hindrance };
    expect((await serving.get("/v1/status")).body).toMatchObject({ runs });
  });

  test("shows what was rejected, newest first, text as text", async () => {
    const letter = {
      receivedAt: "2001-01-01T00:00:00.000Z",
      code: "TIDEMARK_EVENT_DATA",
      message: "no",
      topic: "plant.machine.measured",
      record: null,
    };
    const long = `"${"é".repeat(600)}"`;
    await serving.deadLetters.put([
      { ...letter, bytes: 1202, raw: Buffer.from(long) },
      { ...letter, bytes: 2, raw: Buffer.from([0xff, 0xfe]) },
    ]);
    const { body } = await serving.get("/v1/dead-letters");
    const shown = { ...letter, isReplayed: false };
    expect(body).toEqual({
      deadLetters: [
        { ...shown, bytes: 2, id: "1", raw: "//4=", encoding: "base64" },
        { ...shown, bytes: 1202, id: "0", raw: long.slice(0, 512), encoding: "utf-8" },
      ],
      before: null,
    });
    const first = (await serving.get("/v1/dead-letters?limit=1")).body;
    expect([first.deadLetters.length, first.before]).toEqual([1, "1"]);
    expect((await serving.get("/v1/dead-letters?before=1&limit=9")).body.deadLetters).toHaveLength(1);
    expect((await serving.get("/v1/dead-letters?colour=red")).body.code).toBe(
      "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
    );
    expect((await serving.get("/v1/dead-letters/0")).body).toEqual({
      ...{ ...shown, bytes: 1202, id: "0", text: long, base64: Buffer.from(long).toString("base64") },
    });
    expect((await serving.get("/v1/dead-letters/1")).body).toMatchObject({ text: null, base64: "//4=" });
    expect(await serving.get("/v1/dead-letters/7")).toMatchObject({
      status: 404,
      body: { code: "TIDEMARK_DEAD_LETTER_UNKNOWN" },
    });
  });

  test("the start names addresses that answer", async () => {
    const { body } = await serving.get("/");
    for (const url of body.addresses) expect([url, (await serving.get(url)).status]).toEqual([url, 200]);
  });
});
