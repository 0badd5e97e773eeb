import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileSql, copyToParquet } from "../../batch-layer/sql.ts";
import { readStateRows } from "../../batch-layer/state-rows.ts";
import { flight } from "../../examples/flights/app.ts";
import { flightsPath } from "../../examples/flights/flights.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import type { Event, FieldsOf } from "../../views/event.ts";
import { countDistinct, defineView, quantile, tumbling } from "../../views/index.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import { mergeState, type View, zeroState } from "../../views/view.ts";

/**
 * Real flights in order of time, cut in two: DuckDB computes the states of the first, the fold those of the rest, and what they
 * merge to is held against DuckDB's exact answers over both. All three million at the granularities with few rows, a month of
 * them by airport, and by airport and hour the first week.
 */
const folded = 30_000;
const total = 3_000_000;
const month = 500_000;
const week = 120_000;

const measures = (f: FieldsOf<typeof flight>) => ({
  routes: countDistinct(f.origin.concat("-", f.destination)),
  p50: quantile(f.delay, 0.5),
  p90: quantile(f.delay, 0.9),
  p99: quantile(f.delay, 0.99),
});
const days = defineView({
  name: "days",
  from: flight,
  measures,
  by: () => ({ day: tumbling("1d") }),
});
const airportMonths = defineView({
  name: "airport-months",
  from: flight,
  measures,
  by: (f) => ({ origin: f.origin, date: tumbling("30d") }),
});
const airportHours = defineView({
  name: "airport-hours",
  from: flight,
  measures,
  by: (f) => ({ origin: f.origin, hour: tumbling("1h") }),
});

let root: string;
let master: string;
let duckdb: Duckdb;
let connection: DuckDBConnection;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-accuracy-"));
  duckdb = await Duckdb.open({ memoryLimit: "1GB", threads: 2, temporaryFolder: join(root, "spill") });
  connection = await duckdb.connect();
  master = join(root, "master.parquet");
  await connection.run(
    `COPY (SELECT 0::INTEGER AS _partition, file_row_number AS _offset, date::TIMESTAMP_MS AS _event_time, false AS _duplicate,
       origin, destination, delay, distance FROM read_parquet($1, file_row_number = true)) TO $2 (FORMAT parquet)`,
    [flightsPath, master],
  );
}, 60_000);
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

/** States of `[0, next)`: by SQL up to the cut, by the fold from there on. */
async function statesOf(view: View, next: number): Promise<readonly StateRow[]> {
  const cut = next - folded;
  const straddling = [{ path: master, next: offset(cut) }];
  const source = { event: flight, covered: [], straddling, records: cut };
  const path = join(root, `${view.name}.parquet`);
  const { sql, parameters } = copyToParquet(compileSql(view, [source]), path);
  await connection.run(sql, [...parameters]);
  const rows: StateRow[] = [];
  for await (const chunk of readStateRows(connection, view, [path])) rows.push(...chunk);
  const segment = new TailSegment(view, 0, offset(cut));
  compileFold(view)(segment, await eventsFrom(cut, next), 0);
  return [...rows, ...segment.sortedRows()];
}

async function eventsFrom(first: number, next: number): Promise<readonly Event[]> {
  const result = await connection.runAndReadAll(
    `SELECT epoch_ms(_event_time)::DOUBLE, origin, destination, delay::DOUBLE, distance::DOUBLE
     FROM read_parquet($1) WHERE _offset >= $2 AND _offset < $3 ORDER BY _offset`,
    [master, first, next],
  );
  return result.getRows().map(([time, origin, destination, delay, distance], i) => ({
    ...{ id: `${first + i}`, source: "s", type: flight.name, key: String(origin), time: Number(time) },
    data: { origin, destination, delay, distance },
  }));
}

/** What rows are rolled up to: as SQL over the flights, and of a row of the view. */
interface Granularity {
  readonly sql: string;
  keyOf(row: StateRow): string;
}

const airportOf = ({ dimensions }: StateRow) => String(dimensions[0]);
const timeOf = ({ pane }: StateRow, digits: number) => new Date(pane).toISOString().slice(0, digits);
const granularities = {
  hour: { sql: "strftime(_event_time, '%Y-%m-%dT%H')", keyOf: (row) => timeOf(row, 13) },
  day: { sql: "strftime(_event_time, '%Y-%m-%d')", keyOf: (row) => timeOf(row, 10) },
  month: { sql: "strftime(_event_time, '%Y-%m')", keyOf: (row) => timeOf(row, 7) },
  all: { sql: "''", keyOf: () => "" },
  airport: { sql: "origin", keyOf: airportOf },
  "airport and 30 days": {
    sql: "origin || ' ' || epoch_ms(_event_time) // 2592000000",
    keyOf: (row) => `${airportOf(row)} ${row.pane / 2_592_000_000}`,
  },
  "airport and hour": {
    sql: "origin || strftime(_event_time, ' %Y-%m-%dT%H')",
    keyOf: (row) => `${airportOf(row)} ${timeOf(row, 13)}`,
  },
  "airport and day": {
    sql: "origin || strftime(_event_time, ' %Y-%m-%d')",
    keyOf: (row) => `${airportOf(row)} ${timeOf(row, 10)}`,
  },
} as const satisfies Readonly<Record<string, Granularity>>;

describe.each([
  { view: days, next: total, by: ["day", "month", "all"] },
  { view: airportMonths, next: month, by: ["airport and 30 days", "airport"] },
  { view: airportHours, next: week, by: ["airport and hour", "airport and day", "hour"] },
] as const)("sketches of $view.name over $next flights, cut in two", ({ view, next, by }) => {
  let rows: readonly StateRow[];
  beforeAll(async () => {
    rows = await statesOf(view, next);
  }, 60_000);

  test.each(by)("are within their declared errors by %s", async (name) => {
    const { sql, keyOf }: Granularity = granularities[name];
    const exact = await exactBy(sql, next);
    const merged = mergeBy(view, rows, keyOf);
    expect(merged.size).toBe(exact.size);
    let squaredErrors = 0;
    const beyond: string[] = [];
    for (const [key, expected] of exact) {
      const state = merged.get(key) ?? zeroState(view);
      const values = view.measures.map(({ aggregate, firstCell }) => aggregate.present(state, firstCell));
      const off = expected.map((value, i) => Math.abs(Number(values[i]) - value));
      const [routes = 0, ...delays] = expected;
      // Five standard errors, or two of few values that share a register.
      const allowed = [Math.max(5 * 0.01 * routes, 1), ...delays.map((delay) => 0.01 * Math.abs(delay))];
      if (!off.every((each, i) => each <= (allowed[i] ?? 0)))
        beyond.push(`${key}: ${values}, not ${expected}`);
      squaredErrors += ((off[0] ?? 0) / routes) ** 2;
    }
    expect(beyond).toEqual([]);
    // That is what the declared error is: the standard one, over many estimates.
    if (exact.size > 30) expect(Math.sqrt(squaredErrors / exact.size)).toBeLessThanOrEqual(0.01);
  });
});

function mergeBy(view: View, rows: readonly StateRow[], keyOf: Granularity["keyOf"]): Map<string, Cell[]> {
  const merged = new Map<string, Cell[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const state = merged.get(key) ?? zeroState(view);
    merged.set(key, state);
    mergeState(view, state, row.cells);
  }
  return merged;
}

const exactAnswers = new Map<string, ReturnType<typeof computeExact>>();

/** By key: how many routes, and the delays at 50, 90 and 99 %. Computed once. */
function exactBy(key: string, next: number): ReturnType<typeof computeExact> {
  const id = `${next} ${key}`;
  const answer = exactAnswers.get(id) ?? computeExact(key, next);
  exactAnswers.set(id, answer);
  return answer;
}

async function computeExact(key: string, next: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const exact = await connection.runAndReadAll(
    `SELECT ${key}, count(DISTINCT origin || '-' || destination)::DOUBLE,
       ${[0.5, 0.9, 0.99].map((share) => `quantile_disc(delay, ${share})::DOUBLE`).join(", ")}
     FROM read_parquet($1) WHERE _offset < $2 GROUP BY 1`,
    [master, next],
  );
  return new Map(exact.getRows().map(([group, ...values]) => [String(group), values.map(Number)]));
}

test("of all flights there are 3,399 routes, and delays of -1, 35 and 139 minutes at 50, 90 and 99 %", async () => {
  expect((await exactBy("''", total)).get("")).toEqual([3_399, -1, 35, 139]);
});
