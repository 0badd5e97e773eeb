import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { compileSql, copyToParquet } from "../batch-layer/sql.ts";
import { runStatement } from "../batch-layer/statement.ts";
import { formatSpan } from "../cli/quantity.ts";
import { airportHours, flight } from "../examples/flights/app.ts";
import { flightsPath } from "../examples/flights/flights.ts";
import { Duckdb } from "../infra/duckdb.ts";
import { alternate, atMost, type Row } from "./rounds.ts";

const rounds = 7;
const quiet = new AbortController().signal;

/** The compute step of `airport-hours` over three million flights, against the same SQL written by hand. */
export async function benchCompute(folder: string): Promise<Row> {
  const duckdb = await Duckdb.open({
    memoryLimit: "2GB",
    threads: 1,
    temporaryFolder: join(folder, "scratch"),
  });
  try {
    const connection = await duckdb.connect();
    const files = await writeMaster(connection, folder);
    const source = { event: flight, covered: files, straddling: [], records: 3_000_000 };
    const timed = async (run: () => Promise<unknown>) => {
      const startedAt = performance.now();
      await run();
      return performance.now() - startedAt;
    };
    const ours = () => {
      const statement = copyToParquet(compileSql(airportHours, [source]), join(folder, "ours.parquet"));
      return timed(() => runStatement(connection, statement, quiet, globalThis));
    };
    const theirs = () => timed(() => connection.run(handWritten(files, join(folder, "theirs.parquet"))));
    await ours();
    await theirs();
    const { ours: ms, theirs: byHand, ratio } = await alternate(rounds, ours, theirs);
    await requireSame(connection, folder);
    return {
      what: "batch run, compute step",
      against: "the same SQL written by hand on the same Parquet",
      mark: atMost(1.5, "×"),
      aim: atMost(1.1, "×"),
      measured: ratio,
      detail: `${formatSpan(ms)} against ${formatSpan(byHand)} over 3,000,000 records`,
    };
  } finally {
    await duckdb[Symbol.asyncDispose]();
  }
}

/** The flights in the columns of the master dataset, a file per partition. */
export async function writeMaster(connection: DuckDBConnection, folder: string): Promise<string[]> {
  const files: string[] = [];
  for (let partition = 0; partition < flight.partitions; partition++) {
    const path = join(folder, `master-${partition}.parquet`);
    await connection.run(
      `COPY (
        SELECT
          ${partition}::INTEGER AS _partition,
          row_number() OVER () - 1 AS _offset,
          file_row_number::VARCHAR AS _event_id,
          '/flights' AS _event_source,
          date::TIMESTAMP_MS AS _event_time,
          false AS _duplicate,
          NULL::VARCHAR AS _rest,
          origin, destination, delay, distance
        FROM read_parquet('${flightsPath}', file_row_number = true)
        WHERE hash(origin) % ${flight.partitions} = ${partition}
      ) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`,
    );
    files.push(path);
  }
  return files;
}

function handWritten(files: readonly string[], path: string): string {
  return `COPY (
    SELECT
      origin,
      epoch_ms(date_trunc('hour', _event_time)) AS _pane,
      count(*) AS "flights.count",
      sum(distance) AS "distance.sum",
      sum(delay) AS "delay.sum",
      count(delay) AS "delay.count",
      count(*) FILTER (WHERE delay > 15) AS "late.count"
    FROM read_parquet([${files.map((file) => `'${file}'`).join(", ")}])
    WHERE NOT _duplicate
    GROUP BY ALL
    ORDER BY origin, _pane
  ) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`;
}

async function requireSame(connection: DuckDBConnection, folder: string): Promise<void> {
  const read = (name: string) =>
    `SELECT origin, _pane, "flights.count", "distance.sum", "delay.sum", "late.count" FROM '${join(folder, name)}'`;
  const reader = await connection.runAndReadAll(
    `SELECT count(*) FROM (${read("ours.parquet")} EXCEPT ALL ${read("theirs.parquet")})`,
  );
  if (Number(reader.getRows()[0]?.[0]) !== 0) throw new Error("the two sides do not agree");
}
