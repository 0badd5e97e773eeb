import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileSql, copyToParquet } from "../../batch-layer/sql.ts";
import { readStateRows } from "../../batch-layer/state-rows.ts";
import { flight } from "../../examples/flights/app.ts";
import { flightsPath } from "../../examples/flights/flights.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { countDistinct, defineView, quantile, tumbling } from "../../views/index.ts";
import type { StateRow } from "../../views/state.ts";
import { mergeState, zeroState } from "../../views/view.ts";

/** Three million real flights: sketches by airport and day, rolled up, against DuckDB's exact answers. */
const view = defineView({
  name: "airport-days",
  from: flight,
  by: (f) => ({ origin: f.origin, day: tumbling("1d") }),
  measures: (f) => ({
    destinations: countDistinct(f.destination),
    distances: countDistinct(f.distance),
    p50: quantile(f.delay, 0.5),
    p90: quantile(f.delay, 0.9),
    p99: quantile(f.delay, 0.99),
  }),
});

let root: string;
let duckdb: Duckdb;
let connection: DuckDBConnection;
const rows: StateRow[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-accuracy-"));
  duckdb = await Duckdb.open({ memoryLimit: "1GB", threads: 2, temporaryFolder: join(root, "spill") });
  connection = await duckdb.connect();
  const master = join(root, "master.parquet");
  await connection.run(
    `COPY (SELECT 0::INTEGER AS _partition, file_row_number AS _offset, date::TIMESTAMP_MS AS _event_time, false AS _duplicate,
       origin, destination, delay, distance FROM read_parquet($1, file_row_number = true)) TO $2 (FORMAT parquet)`,
    [flightsPath, master],
  );
  const source = { event: flight, covered: [master], straddling: [] };
  const path = join(root, "states.parquet");
  const { sql, parameters } = copyToParquet(compileSql(view, source), path);
  await connection.run(sql, [...parameters]);
  for await (const chunk of readStateRows(connection, view, path)) rows.push(...chunk);
}, 180_000);
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

test.each([
  ["over all", "''", () => ""],
  ["by month", "strftime(date, '%Y-%m')", (row: StateRow) => new Date(row.pane).toISOString().slice(0, 7)],
  ["by airport", "origin", (row: StateRow) => String(row.dimensions[0])],
] as const)("sketches of all flights, %s, are within their declared errors", async (_, key, keyOf) => {
  const merged = new Map<string, ReturnType<typeof zeroState>>();
  for (const row of rows) {
    const state = merged.get(keyOf(row)) ?? zeroState(view);
    merged.set(keyOf(row), state);
    mergeState(view, state, row.cells);
  }
  const exact = await connection.runAndReadAll(
    `SELECT ${key}, count(DISTINCT destination)::DOUBLE, count(DISTINCT distance)::DOUBLE,
       ${[0.5, 0.9, 0.99].map((share) => `quantile_disc(delay, ${share})::DOUBLE`).join(", ")}
     FROM read_parquet($1) GROUP BY 1`,
    [flightsPath],
  );
  expect(merged.size).toBe(exact.currentRowCount);
  for (const [group, ...right] of exact.getRows()) {
    const state = merged.get(String(group)) ?? [];
    view.measures.forEach(({ name, aggregate, firstCell }, i) => {
      const value = Number(aggregate.present(state, firstCell));
      const expected = Number(right[i]);
      // Half a bucket; four standard errors of 0.81 %, or two of few values that share a register.
      const error = name.startsWith("p") ? 0.0079 : Math.max(4 * 0.0081, 1 / expected);
      expect(Math.abs(value - expected), `${name} of ${String(group)}`).toBeLessThanOrEqual(
        Math.abs(expected) * error,
      );
    });
  }
});
