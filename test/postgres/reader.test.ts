import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PostgresNode, startPostgres } from "../../infra/kafka/services/postgres.ts";
import type { Row } from "../fault/client.ts";
import { Platform } from "../fault/platform.ts";
import { Random } from "../fault/random.ts";
import { ReaderProcess } from "./reader-process.ts";
import { SilentProxy } from "./silent-proxy.ts";

const app = fileURLToPath(new URL("../../examples/cdc/app.ts", import.meta.url));
const random = new Random(7);
const firstRows = 300;
const changes = 200;

let data: string;
let postgres: PostgresNode;
let sql: Client;
let platform: Platform;
let reader: ReaderProcess;
/** Whether the table has its new column yet. */
let hasChannel = false;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-postgres-data-"));
  [postgres, platform] = await Promise.all([startPostgres(), Platform.start(data, app)]);
  sql = new Client(postgres.url);
  await sql.connect();
  await sql.query(`
    CREATE TABLE orders (
      id integer PRIMARY KEY, customer text NOT NULL, country text NOT NULL, status text NOT NULL,
      cents bigint NOT NULL, placed timestamptz NOT NULL, weight double precision, note text
    );
    -- Long values that an update does not touch are sent, too.
    ALTER TABLE orders REPLICA IDENTITY FULL;
    CREATE PUBLICATION tidemark FOR TABLE orders;
    INSERT INTO orders
      SELECT i, 'c' || i % 40, (ARRAY['NO', 'IT', 'GB'])[1 + i % 3], 'open', i * 100,
        '2024-05-01T00:00:00Z'::timestamptz + i * interval '61.0234567 seconds', i / 7.0, NULL
      FROM generate_series(1, ${firstRows}) AS i;`);
}, 120_000);
afterAll(async () => {
  await reader?.kill();
  await platform?.kill();
  await sql?.end();
  await postgres?.[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
});

async function shown(): Promise<readonly Row[]> {
  return (await platform.rows("orders")).rows;
}

/** Without what is long. */
async function statuses(): Promise<readonly Row[]> {
  return (await platform.rows("orders", { measures: "status,cents" })).rows;
}

/** As the view shows them. */
async function selected(): Promise<readonly Row[]> {
  const { rows } = await sql.query(
    `SELECT id, customer, country, status, cents::int AS cents,
       to_char(date_trunc('milliseconds', placed) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS placed,
       weight, note, ${hasChannel ? "channel" : "NULL AS channel"}
     FROM orders ORDER BY id`,
  );
  return rows;
}

/** Waits while the reader is at work. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) {
    reader.requireAlive();
    await setTimeout(50);
  }
}

/** How many changes of each kind there were. */
const counted = { c: 0, u: 0, d: 0 };
let nextId = firstRows + 1;

/** One transaction of up to three changes; some of them are taken back. */
async function change(): Promise<void> {
  const isKept = random.whole(0, 10) > 0;
  await sql.query("BEGIN");
  for (let i = random.whole(0, 3); i >= 0; i--) {
    const id = 1 + random.whole(0, nextId - 1);
    const count = async (kinds: readonly (keyof typeof counted)[], text: string, values: unknown[] = []) => {
      const { rowCount } = await sql.query(text, values);
      if (isKept) for (const kind of kinds) counted[kind] += rowCount ?? 0;
    };
    switch (random.whole(0, 6)) {
      case 0:
        await count(["c"], "INSERT INTO orders VALUES ($1, 'new', 'SE', 'open', $2, now(), NULL, $3)", [
          nextId++,
          random.whole(0, 100_000),
          // Too long for a row's page.
          random.whole(0, 4) === 0
            ? Array.from({ length: 1_000 }, () => random.whole(0, 1e6)).join("é")
            : null,
        ]);
        break;
      case 1:
        await count(["d"], "DELETE FROM orders WHERE id = $1", [id]);
        break;
      case 2:
        await count(["d", "c"], "UPDATE orders SET id = $1 WHERE id = $2", [nextId++, id]);
        break;
      case 3:
        await count(["u"], "UPDATE orders SET weight = CASE WHEN weight IS NULL THEN 0.1 END WHERE id = $1", [
          id,
        ]);
        break;
      case 4:
        await count(
          ["u"],
          `UPDATE orders SET ${hasChannel ? "channel = 'web', " : ""}cents = cents + 1 WHERE id = $1`,
          [id],
        );
        break;
      default:
        await count(["u"], "UPDATE orders SET status = 'sent' WHERE id % 50 = $1", [id % 50]);
    }
  }
  await sql.query(isKept ? "COMMIT" : "ROLLBACK");
}

test("the rows that were there before the reader are all there, and those that are deleted while it is down are gone", async () => {
  {
    await using proxy = await SilentProxy.start(platform.url);
    await using killed = new ReaderProcess(postgres.url, proxy.url);
    reader = killed;
    await until(async () => (await statuses()).length === firstRows);
    expect(await shown()).toEqual(await selected());
  }
  counted.d += (await sql.query("DELETE FROM orders WHERE id % 10 = 0")).rowCount ?? 0;
  counted.u += (await sql.query("UPDATE orders SET cents = 7 WHERE id % 10 = 1")).rowCount ?? 0;
  reader = new ReaderProcess(postgres.url, platform.url);
  await until(async () => (await statuses()).length === firstRows - counted.d);
  await until(async () => JSON.stringify(await shown()) === JSON.stringify(await selected()));
  const { rows: slots } = await sql.query("SELECT slot_name FROM pg_replication_slots");
  expect(slots).toEqual([{ slot_name: "tidemark" }]);
});

test("after kills in the midst, and a new column, the view's rows are those of the table, and each change has counted once", async () => {
  for (let i = 0; i < changes; i++) {
    await change();
    if (i % 100 === 40) {
      // While it reads, or as soon as it has begun to.
      await reader.kill();
      reader = new ReaderProcess(postgres.url, platform.url);
    }
    if (i === 120) {
      await sql.query("ALTER TABLE orders ADD COLUMN channel text");
      hasChannel = true;
    }
    if (i % 100 === 90) {
      const before = JSON.stringify(await statuses());
      await until(async () => JSON.stringify(await statuses()) !== before);
    }
  }
  await sql.query("INSERT INTO orders VALUES (1000000, 'last', 'NO', 'open', 1, now(), NULL, NULL, 'web')");
  counted.c++;
  await until(async () => (await statuses()).some(({ id }) => id === 1_000_000));
  await platform.caughtUp("orders");
  const rows = await selected();
  expect(rows.length).toBeGreaterThan(50);
  expect(await shown()).toEqual(rows);

  const { rows: hours } = await platform.rows("order-hours", { groupBy: "operation" });
  expect(Object.fromEntries(hours.map(({ operation, changes }) => [operation, changes]))).toEqual({
    ...counted,
    r: firstRows,
  });
  expect(reader.said).toBe("");
  expect(await platform.get("/v1/dead-letters")).toMatchObject({ deadLetters: [] });
});

test("what is asked by SQL of the view is what PostgreSQL says, from generation and tail together", async () => {
  await platform.runIsDone(await platform.startRun());
  for (let i = 0; i < 20; i++) await change();
  await sql.query("DELETE FROM orders WHERE id = 1000000");
  await until(async () => (await statuses()).every(({ id }) => id !== 1_000_000));
  await platform.caughtUp("orders");
  expect(await shown()).toEqual(await selected());
  const text =
    "SELECT country, count(*)::INT AS orders, sum(cents)::INT AS cents FROM orders WHERE status = 'open' GROUP BY country ORDER BY country";
  const response = await fetch(`${platform.url}/v1/sql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sql: text }),
  });
  const { rows } = (await response.json()) as { rows: readonly Row[] };
  expect(rows).toEqual((await sql.query(text)).rows);
});

test("a reader that is asked to ends", async () => {
  await sql.query("DELETE FROM orders");
  await until(async () => (await statuses()).length === 0);
  expect(await reader.stop()).toBe(0);
});
