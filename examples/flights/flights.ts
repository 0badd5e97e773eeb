import { fileURLToPath } from "node:url";
import { DuckDBBlobValue, DuckDBInstance } from "@duckdb/node-api";
import { flight } from "./app.ts";

/** A piece of the replay: whole NDJSON lines, one event each, in order of arrival. */
export interface FlightLines {
  readonly bytes: Uint8Array;
  readonly events: number;
  /** Of these, the ones whose event time lies before one that had arrived earlier. */
  readonly late: number;
  /** When the last of them arrived, in milliseconds since the epoch. */
  readonly lastArrival: number;
  /** The latest event time among them, likewise. */
  readonly latestTime: number;
}

export interface Replay {
  /** How many events to give. Default: all there are. */
  readonly limit?: number;
  /** How many events of the replay to leave out first, as when going on where one stopped. Default 0. */
  readonly from?: number;
}

export const flightCount = 3_000_000;

/** Three million flights of the first half of 2001: `date, delay, distance, origin, destination`, in order of date. */
export const flightsPath = fileURLToPath(
  // The package exports its code only; its data lies beside it.
  new URL("../data/flights-3m.parquet", import.meta.resolve("vega-datasets")),
);

/** About a megabyte of lines. */
const eventsAtOnce = 6_000;

/**
 * The flights as events, in the order in which they would have come in: each when it landed late (`date + delay`), or
 * else at its date; ties in the order of the file. An event's id has its row in the file, since 191 rows equal another.
 */
export async function* replay({ limit = flightCount, from = 0 }: Replay = {}): AsyncGenerator<FlightLines> {
  const next = Math.min(from + limit, flightCount);
  const { connection, instance } = await openArrivals(next);
  try {
    const lines = await connection.prepare(linesBetween);
    for (let first = from; first < next; first += eventsAtOnce) {
      lines.bind({ type: flight.name, first, next: Math.min(first + eventsAtOnce, next) });
      const [row] = (await lines.runAndReadAll()).getRows();
      const [bytes, events, late, lastArrival, latestTime] = row ?? [];
      if (!(bytes instanceof DuckDBBlobValue)) throw new Error(`no flights from ${first} in ${flightsPath}`);
      yield {
        bytes: bytes.bytes,
        events: Number(events),
        late: Number(late),
        lastArrival: Number(lastArrival),
        latestTime: Number(latestTime),
      };
    }
  } finally {
    instance.closeSync();
  }
}

/** What DuckDB makes of the first `limit` flights of the replay for each of these aggregate expressions. */
export async function askFlights(expressions: readonly string[], limit = flightCount): Promise<number[]> {
  const { connection, instance } = await openArrivals(limit);
  try {
    const [row] = (
      await connection.runAndReadAll(`SELECT ${expressions.join(", ")} FROM arrivals`)
    ).getRows();
    return (row ?? []).map(Number);
  } finally {
    instance.closeSync();
  }
}

/** One thread: DuckDB then aggregates in the order of the scan, which saves sorting each piece again. */
async function openArrivals(limit: number) {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  await connection.run(arrivals, { path: flightsPath, limit });
  return { connection, instance };
}

const arrivals = `
  CREATE TEMP TABLE arrivals AS
  SELECT
    (row_number() OVER ())::INTEGER - 1 AS n,
    *,
    date < max(date) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS late
  FROM (
    SELECT
      file_row_number::INTEGER AS id,
      date,
      origin,
      destination,
      delay::INTEGER AS delay,
      distance::INTEGER AS distance,
      date + to_minutes(greatest(delay, 0)) AS arrival
    FROM read_parquet($path, file_row_number = true)
    ORDER BY arrival, id
    LIMIT $limit
  )`;

const linesBetween = `
  SELECT
    encode(string_agg(concat(
      '{"id":"flight-', id, '","source":"/flights","type":"', $type,
      '","time":"', strftime(date, '%Y-%m-%dT%H:%M:%SZ'),
      '","data":{"origin":"', origin, '","destination":"', destination,
      '","delay":', delay, ',"distance":', distance, '}}', chr(10)
    ), '')),
    count(*),
    count(*) FILTER (WHERE late),
    epoch_ms(max(arrival)),
    epoch_ms(max(date))
  FROM arrivals
  WHERE n >= $first AND n < $next`;
