import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SqlWorker } from "../../cli/sql-worker.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { createServer } from "../../infra/http.ts";
import { registerServing } from "../../serving-layer/routes.ts";
import { defaultSqlLimits } from "../../serving-layer/sql/limits.ts";
import { changingFunctions, isRefusedFunction } from "../../serving-layer/sql/refused-functions.ts";
import { PlainJobs } from "./plain-jobs.ts";
import { PlainDeadLetters, PlainGenerations, PlainLog, PlainTail } from "./plain-stores.ts";
import app, { shopHours } from "./sql-app.ts";

/** Statements of strangers against the process that carries them out, with little time and memory for each. */
const timeoutMs = 1_500;
const secret = "the secret of the file";

let root: string;
let server: FastifyInstance;
let worker: SqlWorker;
let serving: AsyncDisposable;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-sandbox-"));
  await writeFile(join(root, "secret.csv"), `a\n${secret}\n`);
  for (const folder of ["master", "generations", "scratch"]) await mkdir(join(root, folder));
  worker = new SqlWorker({
    appPath: fileURLToPath(new URL("./sql-app.ts", import.meta.url)),
    ...{ data: root, isCluster: false, folder: join(root, "scratch", "sql"), timers: globalThis },
    budget: { memoryLimit: "100MB", processBytes: 700 * 1024 ** 2, temporaryLimit: "20MB", threads: 1 },
    failed: () => undefined,
  });
  const tail = new PlainTail();
  const rows = [{ dimensions: ["north"], pane: 0, cells: [2, 30] }];
  tail.put(shopHours, [{ partition: 0, from: 0, next: 2, rows }]);
  server = createServer({});
  serving = registerServing(server, {
    ...{ app, tail, profile: "embedded", generations: new PlainGenerations() },
    ...{ log: new PlainLog([shopHours]), jobs: new PlainJobs(), deadLetters: new PlainDeadLetters() },
    sql: { engine: worker, limits: { ...defaultSqlLimits, timeoutMs, rows: 1_000, bytes: 1_000_000 } },
  });
  // The process is there before any time counts.
  while ((await ask("SELECT sales FROM shop_hours")).status !== 200) await new Promise(setImmediate);
});

afterAll(async () => {
  await server.close();
  await serving[Symbol.asyncDispose]();
  await worker[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

async function ask(sql: unknown, parameters: unknown = []) {
  const payload = { sql, parameters } as object;
  const { statusCode, body } = await server.inject({ method: "POST", url: "/v1/sql", payload });
  return { status: statusCode, body, answer: JSON.parse(body) };
}

test("who waits for the process to start is not failed by its renewal", async () => {
  const folder = join(root, "scratch", "sql");
  worker.renew();
  const asked = worker.check("SELECT 1");
  // The folder goes with the process before, and is made anew just before the next one is started.
  while (existsSync(folder)) await new Promise(setImmediate);
  while (!existsSync(folder)) await new Promise(setImmediate);
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  worker.renew();
  expect(await asked).toEqual([]);
});

const inFolder = (name: string) => join(root, name);

/** What must not be done, by the code that it is refused with. */
const escapes: Readonly<Record<string, readonly string[]>> = {
  TIDEMARK_SQL_STATEMENT: [
    "COPY (SELECT 1) TO '/tmp/tidemark-out.csv'",
    "COPY shop_hours FROM '/etc/passwd'",
    "EXPORT DATABASE '/tmp/tidemark-export'",
    "IMPORT DATABASE '/tmp/tidemark-export'",
    "ATTACH '/tmp/tidemark.db' AS other",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL json",
    "SET enable_external_access = true",
    "SET SESSION threads = 64",
    "RESET memory_limit",
    "PRAGMA database_list",
    "PRAGMA threads = 8",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t (a INTEGER)",
    "CREATE MACRO f(a) AS a + 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE SEQUENCE s",
    "CREATE TYPE mood AS ENUM ('a')",
    "DROP VIEW shop_hours",
    "ALTER TABLE shop_hours ADD COLUMN a INTEGER",
    "INSERT INTO shop_hours VALUES ('a', now(), 1, 1)",
    "UPDATE shop_hours SET sales = 0",
    "DELETE FROM shop_hours",
    "CALL pragma_version()",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "VACUUM",
    "ANALYZE",
    "CHECKPOINT",
    "BEGIN TRANSACTION",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW shop_hours",
    "SELECT 1 /* nothing */; COPY (SELECT 1) TO '/tmp/tidemark-out.csv'",
    "SELECT 1 -- ;\n; SET threads = 8",
    "PIVOT shop_hours ON shop USING sum(sales)",
    "",
    "-- nothing but a comment",
    "SELECT",
    "WITH gone AS (DELETE FROM shop_hours RETURNING *) SELECT * FROM gone",
    `SELECT '${"x".repeat(30_000)}'`,
  ],
  TIDEMARK_SQL_REFUSED: [
    ...[
      "read_csv",
      "read_csv_auto",
      "read_text",
      "read_blob",
      "read_json",
      "read_json_auto",
      "read_ndjson",
    ].map((name) => `SELECT * FROM ${name}('secret.csv')`),
    ...["read_parquet", "parquet_scan", "parquet_metadata", "parquet_schema", "sniff_csv", "glob"].map(
      (name) => `FROM ${name}('secret.csv')`,
    ),
    "SELECT (SELECT count(*) FROM READ_TEXT('/etc/passwd'))",
    "SELECT * FROM shop_hours WHERE shop IN (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM shop_hours, LATERAL (SELECT * FROM glob(shop)) g",
    "WITH a AS MATERIALIZED (SELECT * FROM glob('/*')) SELECT 1",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM duckdb_temporary_files()",
    "SELECT * FROM pragma_database_size()",
    "SELECT * FROM pragma_table_info('shop_hours')",
    "SELECT * FROM query('SELECT * FROM duckdb_settings()')",
    "SELECT * FROM query_table('duckdb_settings')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM sql_auto_complete('SEL')",
    "SELECT * FROM enable_logging()",
    "SELECT * FROM test_all_types()",
    "SELECT * FROM repeat_row(1, num_rows = 1000000000)",
    "SELECT current_setting('temp_directory')",
    "SELECT Current_Setting('memory_limit')",
    "SELECT system.main.current_setting('memory_limit')",
    "SELECT getenv('HOME')",
    "SELECT getvariable('a')",
    "SELECT current_query()",
    "SELECT write_log('a')",
    "SELECT sleep_ms(60000)",
    "SELECT pg_sleep(60)",
    "SELECT pg_get_viewdef(1)",
    "SELECT json_serialize_plan('SELECT 1')",
    "SELECT list_transform([1], lambda x: current_setting('memory_limit'))",
    "SELECT sum(sales) OVER (ORDER BY current_setting('memory_limit')) FROM shop_hours",
    "SELECT * FROM (SUMMARIZE SELECT * FROM read_text('/etc/passwd'))",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SELECT * FROM shop_hours PIVOT (sum(sales) FOR shop IN ('north'))",
  ],
  TIDEMARK_SQL_TABLE_UNKNOWN: [
    "SELECT * FROM 'secret.csv'",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "https://example.com/a.parquet"',
    "SELECT * FROM duckdb_settings",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM temp.main.shop_hours",
    'SELECT * FROM "_table 0 merged", shop_hours',
    "DESCRIBE duckdb_settings",
    // A name of WITH hides nothing where it can't be seen.
    "SELECT * FROM (WITH duckdb_settings AS (SELECT 1) SELECT * FROM duckdb_settings) a, duckdb_settings b",
    "WITH a AS (SELECT * FROM duckdb_settings), duckdb_settings AS (SELECT 1) SELECT * FROM a",
    "WITH duckdb_settings AS (SELECT * FROM duckdb_settings) SELECT * FROM duckdb_settings",
    "WITH RECURSIVE duckdb_views AS (SELECT sql FROM duckdb_views UNION ALL SELECT 'a') SELECT * FROM duckdb_views",
    "SELECT * FROM shop_hours POSITIONAL JOIN pragma_database_list",
  ],
  TIDEMARK_SQL_TOO_LARGE: [
    "SELECT * FROM range(100000000)",
    "SELECT a.range FROM range(1000000) a, range(1000000) b, range(1000000) c",
    "SELECT repeat('x', 5000000)",
  ],
};

/** What would go on for long, or take much: stopped by whichever limit it meets first. */
const heavy = [
  "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r) SELECT max(a) FROM r",
  "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c",
  "SELECT string_agg(repeat('x', 1000000), ',') FROM range(1000000)",
  "SELECT length(repeat('x', 4000000000))",
  "SELECT max(sin(a.range * b.range)) FROM range(10000000) a, range(10000000) b",
  "SELECT list(range) FROM range(100000000)",
  "SELECT count(*) FROM (SELECT DISTINCT range, random() FROM range(100000000))",
];

test.each(Object.entries(escapes).flatMap(([code, all]) => all.map((sql) => [sql.slice(0, 150), code, sql])))(
  "%s",
  async (_short, code, sql) => {
    const { status, body, answer } = await ask(sql.replace("secret.csv", inFolder("secret.csv")));
    expect({ status, code: answer.code }, body).toEqual({ status: 400, code });
    for (const leak of [secret, join(root, "scratch"), join(root, "generations"), "root:"]) {
      expect(body).not.toContain(leak);
    }
  },
);

test.each(heavy)(
  "%s is stopped, others are answered meanwhile, and nothing is left of it",
  async (sql) => {
    const stopped = ask(sql);
    let isStopped = false;
    stopped.finally(() => {
      isStopped = true;
    });
    let slowestMs = 0;
    while (!isStopped) {
      const startMs = performance.now();
      expect((await server.inject("/v1/views/shop-hours/rows")).json().rows).toHaveLength(1);
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const { status, answer } = await stopped;
    expect(["TIDEMARK_SQL_TIMEOUT", "TIDEMARK_SQL_TOO_LARGE"]).toContain(answer.code);
    expect(status).toBe(400);
    // Far from as long as the statement may take, on a busy machine too.
    expect(slowestMs).toBeLessThan(timeoutMs);
    await expect
      .poll(() => readdir(join(root, "scratch", "sql", "spill")).catch(() => []), { timeout: 30_000 })
      .toEqual([]);
    // The process may have to begin again first.
    await expect
      .poll(async () => (await ask("SELECT sales FROM shop_hours")).answer.rows, { timeout: 30_000 })
      .toEqual([{ sales: 2 }]);
  },
  60_000,
);

test("what is answered: one SELECT with all that belongs to it", async () => {
  for (const [sql, parameters, rows] of [
    ['SELECT shop, sales FROM "shop-hours"', [], [{ shop: "north", sales: 2 }]],
    ["SELECT cents / $1 AS part FROM Shop_Hours", [4], [{ part: 7.5 }]],
    ["SELECT $shop || '!' AS a", { shop: "n" }, [{ a: "n!" }]],
    ["SELECT * FROM shop_hours WHERE hour >= ?::TIMESTAMPTZ", ["1970-01-02T00:00:00Z"], []],
    ["WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT * FROM b", [], [{ x: 2 }]],
    [
      "WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r WHERE a < 3) SELECT sum(a) AS s FROM r",
      [],
      [{ s: 6 }],
    ],
    ["SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a DESC", [], [{ a: 2 }, { a: 1 }]],
    [
      "SELECT 9007199254740993 AS a, 0.1 AS b, 'nan'::DOUBLE AS c",
      [],
      [{ a: "9007199254740993", b: 0.1, c: "NaN" }],
    ],
    ["SELECT [1, NULL] AS a, {'b': DATE '2001-01-31'} AS s", [], [{ a: [1, null], s: { b: "2001-01-31" } }]],
    ["SELECT TIMESTAMP '2001-01-31 08:00:00.000001' AS a", [], [{ a: "2001-01-31T08:00:00.000001" }]],
    ["SELECT 'COPY; DROP TABLE a' AS a", [], [{ a: "COPY; DROP TABLE a" }]],
    ["DESCRIBE SELECT sales FROM shop_hours", [], [expect.objectContaining({ column_name: "sales" })]],
  ] as const) {
    const { answer } = await ask(sql, parameters);
    expect(answer.rows, `${sql}: ${answer.detail}`).toEqual(rows);
  }
});

test("a request that is none names what is wrong", async () => {
  for (const [payload, said] of [
    [{}, '"sql" must be a text'],
    [{ sql: "SELECT 1", limit: 1 }, 'no member "limit"'],
    [{ sql: "SELECT 1", parameters: [[1]] }, '"parameters" must be'],
    [{ sql: "SELECT 1", parameters: [1] }, "no parameter $1"],
    [{ sql: "SELECT $1, $2", parameters: [1] }, "parameter $2 is not given"],
    [{ sql: "SELECT $2", parameters: [1] }, "without gaps"],
    [[], "give a JSON object"],
  ] as const) {
    const { statusCode, body } = await server.inject({
      method: "POST",
      url: "/v1/sql",
      payload: payload as object,
    });
    expect({ statusCode, code: JSON.parse(body).code }).toEqual({
      statusCode: 400,
      code: "TIDEMARK_SQL_STATEMENT",
    });
    expect(JSON.parse(body).detail).toContain(said);
  }
});

test("more statements than may wait are sent away, to come again", async () => {
  const slow = "SELECT count(*) FROM range(1000000) a, range(1000000) b";
  const { running, waiting } = defaultSqlLimits;
  // A signal for each: one that so many listen to is taken for a leak by Node.
  const gone = Array.from({ length: running + waiting + 1 }, () => new AbortController());
  const all = gone.map(({ signal }) =>
    server.inject({ method: "POST", url: "/v1/sql", payload: { sql: slow }, signal }).catch(() => undefined),
  );
  const refused = await Promise.race(all);
  expect(refused?.statusCode).toBe(429);
  expect(refused?.headers["retry-after"]).toBe("1");
  expect(refused?.json().code).toBe("TIDEMARK_SQL_BUSY");
  // Who goes away takes the statement along: none of those that wait takes its time.
  for (const each of gone) each.abort();
  await Promise.all(all);
  const startMs = performance.now();
  expect((await ask("SELECT sales FROM shop_hours")).status).toBe(200);
  expect(performance.now() - startMs).toBeLessThan((waiting * timeoutMs) / 2);
});

test("every function of the engine whose value may be another each time is known here, as harmless or as refused", async () => {
  await using duckdb = await Duckdb.open({ memoryLimit: "100MB", threads: 1, temporaryFolder: "" });
  const connection = await duckdb.connect();
  const result = await connection.runAndReadAll(
    "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'scalar' AND stability <> 'CONSISTENT'",
  );
  const names = result.getRows().map(([name]) => String(name));
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !changingFunctions.has(name) && !isRefusedFunction(name))).toEqual([]);
});
