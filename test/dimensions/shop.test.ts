import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Row } from "../fault/client.ts";
import { Platform } from "../fault/platform.ts";

/** The star of `shop-app.ts` on a running platform, held against plain arrays of what was posted. */

interface Order {
  readonly customer: string;
  readonly product?: number;
  readonly cents: number;
}

interface Customer {
  readonly id: string;
  readonly op: string;
  readonly segment?: string;
  readonly city?: string;
  readonly age?: number;
}

const app = fileURLToPath(new URL("shop-app.ts", import.meta.url));
const kinds: Readonly<Record<number, string>> = { 1: "ware", 2: "ware", 3: "cloth", 4: "iron" };
const orders: Order[] = [];
/** By event time, then partition (by the key, `op`), then order of posting; here one time is never given twice. */
const changes: { readonly time: number; readonly customer: Customer }[] = [];
let ids = 0;

let data: string;
let platform: Platform;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-shop-"));
  platform = await Platform.start(data, app);
}, 60_000);
afterAll(async () => {
  await platform.kill();
  await rm(data, { recursive: true, force: true });
});

function line(type: string, time: number, content: object): string {
  const event = {
    id: String(ids++),
    source: "shop",
    type,
    time: new Date(time).toISOString(),
    data: content,
  };
  return `${JSON.stringify(event)}\n`;
}

/** Posts orders and changes together, and waits until they are in every answer that rests on them. */
async function post(newOrders: readonly Order[], newChanges: typeof changes): Promise<string> {
  orders.push(...newOrders);
  changes.push(...newChanges);
  const { position } = await platform.ingest(
    newOrders.map((order) => line("shop.order.placed", 0, order)).join("") +
      newChanges.map(({ time, customer }) => line("shop.customer.changed", time, customer)).join(""),
  );
  return position;
}

function customerOf(id: string): Customer | undefined {
  const mine = changes.filter(({ customer }) => customer.id === id).sort((a, b) => a.time - b.time);
  const last = mine.at(-1)?.customer;
  return last?.op === "deleted" ? undefined : last;
}

function attributesOf({ customer: id, product }: Order): Row {
  const customer = customerOf(id);
  return {
    "customer.segment": customer?.segment ?? null,
    "customer.city": customer?.city ?? null,
    "customer.isAdult": customer?.age === undefined ? null : customer.age >= 18,
    "product.kind": kinds[product ?? 0] ?? null,
  };
}

function expected(columns: readonly string[], isAsked: (attributes: Row) => boolean = () => true): Row[] {
  const rows = new Map<string, Record<string, unknown> & { orders: number; cents: number }>();
  for (const order of orders) {
    const attributes = attributesOf(order);
    if (!isAsked(attributes)) continue;
    const key = Object.fromEntries(columns.map((name) => [name, attributes[name]]));
    const row = rows.get(JSON.stringify(key)) ?? { ...key, orders: 0, cents: 0 };
    row.orders++;
    row.cents += order.cents;
    rows.set(JSON.stringify(key), row);
  }
  return [...rows.values()];
}

const byKey = (rows: readonly Row[]) => [...rows].map((row) => JSON.stringify(row)).sort();

/** Every way of asking that the test knows; `after` makes the answers rest on all that was posted. */
async function holds(after: string): Promise<void> {
  const ask = async (groupBy: string, more: Readonly<Record<string, string>> = {}) =>
    (await platform.rows("sales", { groupBy, after, ...more })).rows;
  const everything = ["customer.segment", "customer.city", "customer.isAdult", "product.kind"];
  expect(byKey(await ask(everything.join(",")))).toEqual(byKey(expected(everything)));
  expect(byKey(await ask("customer.segment"))).toEqual(byKey(expected(["customer.segment"])));
  expect(byKey(await ask("product.kind", { "customer.segment": "gold" }))).toEqual(
    byKey(expected(["product.kind"], (attributes) => attributes["customer.segment"] === "gold")),
  );
  expect(byKey(await ask("customer.city", { "product.kind": "null" }))).toEqual(
    byKey(expected(["customer.city"], (attributes) => attributes["product.kind"] === null)),
  );
}

async function run(): Promise<void> {
  await platform.runIsDone(await platform.startRun());
}

const some = (n: number, seed: number): readonly Order[] =>
  Array.from({ length: n }, (_, i) => {
    const product = (i * 7 + seed) % 6;
    return {
      customer: `c${(i * 5 + seed) % 9}`,
      ...(product === 0 ? {} : { product }),
      cents: (i * 31 + seed) % 100,
    };
  });

test("attributes are those of now, in generation and tail, whichever holds the fact or the change", async () => {
  const first = [
    { time: 10, customer: { id: "c1", op: "new", segment: "gold", city: "Oslo", age: 30 } },
    { time: 11, customer: { id: "c2", op: "new", segment: "basic", city: "Rome 😀", age: 3 } },
    { time: 12, customer: { id: "c3", op: "new", segment: "gold" } },
  ];
  const position = await post(some(40, 1), first);
  await holds(position);
  await run();
  await holds(position);
}, 60_000);

test("a change, a late change, a deletion and a return regroup the past", async () => {
  const position = await post(some(20, 2), [
    { time: 20, customer: { id: "c1", op: "changed", segment: "basic" } },
    { time: 5, customer: { id: "c2", op: "changed", segment: "late", city: "Nowhere" } },
    { time: 21, customer: { id: "c3", op: "deleted" } },
    { time: 22, customer: { id: "c4", op: "new", segment: "gold", age: 18 } },
  ]);
  await holds(position);
  await run();
  await holds(position);
  await holds(
    await post([], [{ time: 30, customer: { id: "c3", op: "new", segment: "gold", city: "Oslo" } }]),
  );
}, 60_000);

test("stopped and started again, it answers the same", async () => {
  expect(await platform.stop()).toBe(0);
  platform = await Platform.start(data, app);
  const position = await post(some(5, 3), []);
  await holds(position);
  await run();
  await holds(position);
}, 60_000);

test("the table is reconciled like every view, without drift, and can be looked at", async () => {
  const { reconciliations } = await platform.get<{ reconciliations: readonly Row[] }>(
    "/v1/reconciliations?view=customers",
  );
  expect(reconciliations.length).toBeGreaterThanOrEqual(3);
  for (const { reconciliation } of reconciliations) {
    expect(reconciliation).toMatchObject({ kind: "compared", differing: 0 });
  }
  const { rows } = await platform.rows("customers", { key: "c2" });
  expect(rows).toEqual([{ key: "c2", exists: true, segment: "basic", city: "Rome 😀", isAdult: false }]);
});
