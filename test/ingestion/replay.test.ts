import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LetterRecord, NewDeadLetter } from "../../infra/dead-letters/dead-letters.ts";
import { LmdbDeadLetters } from "../../infra/dead-letters/lmdb-dead-letters.ts";
import { createServer } from "../../infra/http.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { KeyPartitions } from "../../ingestion/key-partitions.ts";
import { LocalReception } from "../../ingestion/reception.ts";
import { registerReplay } from "../../ingestion/replay.ts";
import { offset } from "../../views/cut.ts";
import { Decoder } from "../../views/decoder.ts";
import { order, orderText } from "./gateway-fixture.ts";

const other = { ...order, name: "shop.order.returned" };
const events = [order, other];

let lifecycle: Lifecycle;
let log: LmdbLog;
let letters: LmdbDeadLetters;
let port: number;

beforeEach(async () => {
  lifecycle = new Lifecycle();
  const folder = await mkdtemp(join(tmpdir(), "tidemark-replay-"));
  lifecycle.defer(() => rm(folder, { recursive: true }));
  const topics = events.map(({ name, partitions }) => ({ name, partitions }));
  log = lifecycle.use(await LmdbLog.open({ path: join(folder, "log"), topics, mode: "writer" }));
  letters = lifecycle.use(await LmdbDeadLetters.open({ path: join(folder, "letters") }));
  const reception = new LocalReception({
    ...{ log, deadLetters: letters, clock: Date.now, newId: () => "new", eventBytes: 1024 * 1024 },
    ...{ decoder: new Decoder(events), partitions: new KeyPartitions(events) },
  });
  const server = createServer({ forceCloseConnections: true });
  registerReplay(server, { events, deadLetters: letters, reception });
  await server.listen({ port: 0, host: "127.0.0.1" });
  lifecycle.defer(() => server.close());
  const address = server.server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
afterEach(() => lifecycle[Symbol.asyncDispose]());

async function replay(id: string) {
  return new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
    const path = `/v1/dead-letters/${encodeURIComponent(id)}/replay`;
    const outgoing = request({ port, host: "127.0.0.1", path, method: "POST" }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) });
    });
    outgoing.on("error", reject).end();
  });
}

/** Puts a letter and gives its id. */
async function keep(raw: string | Buffer, changes: Partial<NewDeadLetter> = {}): Promise<string> {
  const bytes = Buffer.from(raw as string);
  await letters.put([
    {
      ...{
        receivedAt: "2001-01-31T12:00:00.000Z",
        code: "TIDEMARK_EVENT_DATA",
        message: "it was wrong then",
      },
      ...{ raw: bytes, bytes: bytes.length, topic: order.name, record: null },
      ...changes,
    },
  ]);
  return String(await letters.count());
}

async function stored(): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const { name, partitions } of events) {
    for (let p = 0; p < partitions; p++) {
      const next = (await log.nexts(name))[p] ?? offset(0);
      for await (const { records } of log.read(name, p, offset(0), next)) {
        values.push(...records.map(({ value }) => JSON.parse(Buffer.from(value).toString())));
      }
    }
  }
  return values;
}

const data = { shop: "a", amount: 3 };
const record = (changes: Partial<LetterRecord> = {}): LetterRecord => ({
  ...{ partition: 1, offset: offset(7), key: null, timestampMs: Date.parse("2001-01-31T08:15:00Z") },
  ...changes,
});

describe("POST /v1/dead-letters/{id}/replay", () => {
  test("hands in what was sent, as it was sent, and marks the letter", async () => {
    const id = await keep(orderText("1"));
    expect(await replay(id)).toMatchObject({
      status: 202,
      body: { id, position: expect.stringMatching(/^shop\.order\.placed@\d:1$/) },
    });
    expect(await stored()).toEqual([JSON.parse(orderText("1"))]);
    expect(await letters.get(id)).toMatchObject({ isReplayed: true });
    expect(await replay(id)).toMatchObject({ status: 409, body: { code: "TIDEMARK_DEAD_LETTER_REPLAYED" } });
    expect(await stored()).toHaveLength(1);
  });

  test("a record is handed in with what its headers, its topic and its place say", async () => {
    const headers = { ce_specversion: "1.0", ce_id: "9", ce_traceparent: "00-1", app: "till" };
    await replay(await keep(JSON.stringify(data), { record: record() }));
    await replay(await keep(JSON.stringify(data), { record: record({ headers, offset: offset(8) }) }));
    const [bare, binary] = await stored();
    const told = {
      type: order.name,
      source: "tidemark:log/shop.order.placed",
      time: "2001-01-31T08:15:00.000Z",
    };
    expect(bare).toEqual({ ...told, id: "shop.order.placed@1:7", data });
    expect(binary).toEqual({
      ...{ ...told, id: "9", specversion: "1.0", traceparent: "00-1", data },
      _headers: { app: "till" },
    });
  });

  test("what an event lacks is made of the letter, so that it is the same at any time", async () => {
    const id = await keep(JSON.stringify({ data }));
    await replay(id);
    expect(await stored()).toEqual([
      ...[{ type: order.name, id: "dead-letter-1", source: "/http", time: "2001-01-31T12:00:00.000Z", data }],
    ]);
  });

  test.each<[string, string | Buffer, Partial<NewDeadLetter>, number, string]>([
    ["not valid yet", orderText("1", { data: {} }), {}, 400, "TIDEMARK_EVENT_DATA"],
    [
      "of a type that is still unknown",
      orderText("1", { type: "shop.order.lost" }),
      { topic: null },
      404,
      "TIDEMARK_EVENT_TYPE_UNKNOWN",
    ],
    [
      "several events in one record",
      `[${orderText("1")}]`,
      { record: record() },
      400,
      "TIDEMARK_EVENT_ENVELOPE",
    ],
    ["an array that came by HTTP", `[${orderText("1")}]`, {}, 400, "TIDEMARK_EVENT_ENVELOPE"],
    ["no UTF-8", Buffer.from([0xff]), {}, 400, "TIDEMARK_EVENT_NOT_UTF8"],
    ["cut", orderText("1"), { bytes: 2_000_000 }, 409, "TIDEMARK_DEAD_LETTER_CUT"],
  ])(
    "says why what is %s stays a dead letter, and makes no other of it",
    async (_what, raw, changes, status, code) => {
      const id = await keep(raw, changes);
      expect(await replay(id)).toMatchObject({ status, body: { code } });
      expect(await letters.get(id)).toMatchObject({ isReplayed: false });
      expect([await letters.count(), await stored()]).toEqual([1, []]);
    },
  );

  test("an id that there is not is refused by name", async () => {
    expect(await replay("7")).toMatchObject({ status: 404, body: { code: "TIDEMARK_DEAD_LETTER_UNKNOWN" } });
  });
});
