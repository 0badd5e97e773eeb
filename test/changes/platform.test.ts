import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readServerSentEvents } from "../../infra/server-sent-events.ts";
import { tidemarkHere } from "../cli/here.ts";
import type { Row } from "../fault/client.ts";
import { Platform } from "../fault/platform.ts";
import { change, postgres, withSchema } from "./orders.ts";

const app = fileURLToPath(new URL("../../examples/cdc/app.ts", import.meta.url));
let data: string;
let platform: Platform;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-changes-"));
  platform = await Platform.start(data, app);
}, 60_000);
afterAll(async () => {
  await platform.kill();
  await rm(data, { recursive: true, force: true });
});

async function post(body: unknown, query = "", contentType = "application/json") {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const headers = { "content-type": contentType };
  const response = await fetch(`${platform.url}/v1/events${query}`, { method: "POST", headers, body: text });
  return { status: response.status, body: (await response.json()) as Row };
}

const sql = async (text: string) => (await platform.sql(text)).rows;

const rows = async (view: string, position: unknown) =>
  (await platform.get<{ rows: readonly Row[] }>(`/v1/views/${view}/rows?after=${position}`)).rows;

const order = (id: number, more: object = {}) => ({
  ...{ id, customer: "ada", country: "NO", status: "open", cents: id * 100 },
  ...{ placed: "2024-05-01T12:00:00.123456+02:00", weight: id / 8, note: null, ...more },
});
const shown = (id: number, more: object = {}) => ({
  ...order(id),
  ...{ placed: "2024-05-01T10:00:00.123Z", channel: null, ...more },
});

test("changes are taken by HTTP as Debezium writes them, and the table shows its present rows", async () => {
  const read = [1, 2].map((id) => change("r", 100, { after: order(id) }));
  const first = await post([...read, null], "?type=shop.public.orders");
  expect(first).toMatchObject({ status: 202, body: { accepted: 2, rejectedCount: 0 } });
  expect(await rows("orders", first.body.position)).toEqual([shown(1), shown(2)]);

  // Without a type, as one sender of many tables does it, and with the converter's schemas around.
  const lines = [
    change("c", 110, { after: order(3, { country: "IT" }) }),
    withSchema(change("u", 120, { before: null, after: order(1, { status: "sent", note: "door" }) })),
    change("d", 130, { before: { id: 2 } }),
  ];
  const ndjson = lines.map((line) => JSON.stringify(line)).join("\n");
  const second = await post(ndjson, "", "application/x-ndjson");
  expect(second).toMatchObject({ status: 202, body: { accepted: 3 } });
  const present = [shown(1, { status: "sent", note: "door" }), shown(3, { country: "IT" })];
  expect(await rows("orders", second.body.position)).toEqual(present);
  expect(await rows("open-orders", second.body.position)).toEqual([
    { id: 3, country: "IT", cents: 300, placed: "2024-05-01T10:00:00.123Z" },
  ]);

  // A source that was killed before it noted how far it had come sends everything once more, in order.
  const again = await post([...read, ...lines]);
  expect(again.body.accepted).toBe(5);
  expect(await rows("orders", again.body.position)).toEqual(present);
  const counted = await sql(
    'SELECT operation, sum(changes)::INT AS changes FROM "order-hours" GROUP BY 1 ORDER BY 1',
  );
  expect(counted).toEqual([
    { operation: "c", changes: 1 },
    { operation: "d", changes: 1 },
    { operation: "r", changes: 2 },
    { operation: "u", changes: 1 },
  ]);
});

test("rows are gone as soon as they are deleted, from the batch layer's part too, in rows, SQL and live answers", async () => {
  const run = await platform.runIsDone(await platform.startRun());
  await platform.isServed(run);
  const open =
    "SELECT country, count(*)::INT AS orders, sum(cents)::INT AS cents FROM orders WHERE status = 'open' GROUP BY country ORDER BY country";
  expect(await sql(open)).toEqual([{ country: "IT", orders: 1, cents: 300 }]);
  expect(await sql("SELECT id FROM orders ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }]);

  const abort = new AbortController();
  const live = await fetch(`${platform.url}/v1/views/orders/rows?measures=status&live=true`, {
    signal: abort.signal,
  });
  const told: Row[] = [];
  let sent: Awaited<ReturnType<typeof post>> | undefined;
  for await (const { data: text } of readServerSentEvents(live.body as never)) {
    const { rows: changed, gone } = JSON.parse(text) as { rows: readonly Row[]; gone?: readonly Row[] };
    told.push({ rows: changed, gone: gone ?? null });
    if (gone?.length === 1) break;
    sent ??= await post([
      change("d", 200, { before: order(3) }),
      change("c", 210, { after: order(4, { country: "IT", channel: "web" }) }),
    ]);
  }
  abort.abort();
  expect(told[0]).toEqual({
    rows: [
      { id: 1, status: "sent" },
      { id: 3, status: "open" },
    ],
    gone: null,
  });
  expect(told.flatMap(({ gone }) => gone ?? [])).toEqual([{ id: 3 }]);
  expect(await rows("orders", sent?.body.position)).toEqual([
    shown(1, { status: "sent", note: "door" }),
    shown(4, { country: "IT", channel: "web" }),
  ]);
  expect(await sql(open)).toEqual([{ country: "IT", orders: 1, cents: 400 }]);
  expect(await sql("SELECT id FROM orders ORDER BY id")).toEqual([{ id: 1 }, { id: 4 }]);
  expect(
    await sql('SELECT "__op", id, status FROM "shop.public.orders" WHERE NOT _duplicate AND id = 3'),
  ).toEqual([
    { __op: "c", id: 3, status: "open" },
    { __op: "d", id: 3, status: null },
  ]);
  const next = await platform.runIsDone(await platform.startRun());
  expect(next).toMatchObject({ state: "succeeded" });
  await platform.isServed(next);
  expect(await sql("SELECT id, weight, placed FROM orders ORDER BY id")).toEqual([
    { id: 1, weight: 0.125, placed: "2024-05-01T10:00:00.123Z" },
    { id: 4, weight: 0.5, placed: "2024-05-01T10:00:00.123Z" },
  ]);
});

test("what is no change of a row is a dead letter of its table, with the reason", async () => {
  const truncated = await post(change("t", 300, {}));
  expect(truncated).toMatchObject({ status: 400, body: { code: "TIDEMARK_CHANGE_TRUNCATE" } });
  const source = postgres(310, { table: "refunds" });
  expect(await post(change("c", 310, { after: { id: 1 }, source }))).toMatchObject({
    status: 404,
    body: { code: "TIDEMARK_EVENT_TYPE_UNKNOWN", detail: expect.stringContaining('"shop.public.refunds"') },
  });
  const wrong = change("u", 320, { after: order(1, { cents: "1.50" }) });
  expect(await post(wrong, "?type=shop.public.orders")).toMatchObject({
    status: 400,
    body: { code: "TIDEMARK_EVENT_DATA", detail: expect.stringContaining("cents must be integer") },
  });
  expect(await post("null", "?type=shop.public.orders")).toMatchObject({
    status: 202,
    body: { accepted: 0 },
  });
  expect(await post("null")).toMatchObject({ status: 400 });
  const { deadLetters } = await platform.get<{ deadLetters: readonly Row[] }>("/v1/dead-letters");
  expect(deadLetters.map(({ topic, code }) => [topic, code])).toEqual([
    [null, "TIDEMARK_EVENT_ENVELOPE"],
    ["shop.public.orders", "TIDEMARK_EVENT_DATA"],
    [null, "TIDEMARK_EVENT_TYPE_UNKNOWN"],
    ["shop.public.orders", "TIDEMARK_CHANGE_TRUNCATE"],
  ]);
});

test("the OpenAPI document says what may be sent of a table's changes", async () => {
  const { components } = await platform.get<{ components: { schemas: Row } }>("/openapi.json");
  expect(components.schemas["shop.public.orders"]).toMatchObject({
    required: ["op"],
    properties: { after: { anyOf: [{ properties: { cents: { type: "integer" } } }, { type: "null" }] } },
  });
});

test("a data folder of changes is found sound, and its table is the same by the fold alone", async () => {
  expect(await platform.stop()).toBe(0);
  const replayed = await tidemarkHere(["replay", "orders", "--app", app, "--data", data]);
  expect(replayed, replayed.err + replayed.out).toMatchObject({ code: 0 });
  expect(await tidemarkHere(["verify", "--app", app, "--data", data])).toMatchObject({
    code: 0,
    out: expect.stringContaining("clean"),
  });
});
