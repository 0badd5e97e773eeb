import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { DuckDBInstance } from "@duckdb/node-api";
import app, { flight } from "../../examples/flights/app.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { LogBatch } from "../../infra/log/log.ts";
import { offset } from "../../views/cut.ts";
import type { Row } from "./client.ts";

/** Each view of the flights app as a person would ask DuckDB for it: written apart from all of the platform's code. */
const questions: Readonly<Record<string, string>> = {
  "airport-hours": `
    SELECT origin, strftime(date_trunc('hour', time), '%Y-%m-%dT%H:%M:%S.000Z') AS hour,
      count(*) AS flights, sum(distance) AS distance, sum(delay)::DOUBLE / count(*) AS delay,
      count(*) FILTER (WHERE delay > 15) AS late
    FROM facts GROUP BY ALL ORDER BY origin, hour`,
  "routes-by-day": `
    SELECT origin, destination, strftime(date_trunc('day', time), '%Y-%m-%dT%H:%M:%S.000Z') AS day,
      count(*) AS flights, sum(delay)::DOUBLE / count(*) AS delay, max(delay) AS worst, min(delay) AS best
    FROM facts GROUP BY ALL ORDER BY origin, destination, day`,
  "totals-by-hour": `
    SELECT strftime(date_trunc('hour', time), '%Y-%m-%dT%H:%M:%S.000Z') AS hour,
      count(*) AS flights, sum(distance) AS distance, sum(delay) AS delay,
      count(*) FILTER (WHERE distance >= 2000) AS longHauls
    FROM facts GROUP BY ALL ORDER BY hour`,
};

export const viewNames = app.views.map((view) => view.name);

/** What the oracle reads of a record: a line with its place and its bytes as they were sent. */
export function oracleLines({ partition, records }: LogBatch): string {
  return records
    .map(({ offset, value }) => `{"p":${partition},"o":${offset},"r":${Buffer.from(value).toString()}}\n`)
    .join("");
}

/** The records `[0, position)` of an embedded log, straight from its bytes. */
export async function* embeddedRecords(
  logFolder: string,
  position: readonly number[],
): AsyncGenerator<string> {
  const log = await LmdbLog.open({
    path: logFolder,
    topics: [{ name: flight.name, partitions: flight.partitions }],
    mode: "reader",
  });
  try {
    for (const [partition, next] of position.entries()) {
      for await (const batch of log.read(flight.name, partition, offset(0), offset(next))) {
        yield oracleLines(batch);
      }
    }
  } finally {
    await log[Symbol.asyncDispose]();
  }
}

/**
 * The answers over the records that the lines hold, each partition's from offset 0 on, by DuckDB's own JSON reader.
 * `scratch` names a file that may be written meanwhile.
 */
export async function answersOver(
  lines: AsyncIterable<string> | Iterable<string>,
  scratch: string,
): Promise<ReadonlyMap<string, readonly Row[]>> {
  const file = createWriteStream(scratch);
  for await (const some of lines) file.write(some);
  file.end();
  await finished(file);
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run(
      `CREATE TABLE facts AS
       SELECT r.time AS time, unnest(r.data) FROM (
         SELECT *, o - lag(o) OVER (PARTITION BY p, r.source, r.id ORDER BY o) AS apart
         FROM read_json('${scratch}', format = 'newline_delimited', columns = {
           p: 'INTEGER', o: 'BIGINT', r: 'STRUCT(id VARCHAR, source VARCHAR, time TIMESTAMP,
             data STRUCT(origin VARCHAR, destination VARCHAR, delay BIGINT, distance BIGINT))' })
       ) WHERE apart IS NULL OR apart > ${flight.duplicatesWithin}`,
    );
    const answers = new Map<string, readonly Row[]>();
    for (const [view, sql] of Object.entries(questions)) {
      const result = await connection.runAndReadAll(sql);
      answers.set(view, result.getRowObjectsJS().map(plainNumbers));
    }
    return answers;
  } finally {
    connection.closeSync();
    instance.closeSync();
    await rm(scratch, { force: true });
  }
}

function plainNumbers(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]),
  );
}

/** The first row in which the two differ, in words; undefined if they are the same. */
export function firstDifference(answer: readonly Row[], expected: readonly Row[]): string | undefined {
  for (let i = 0; i < Math.max(answer.length, expected.length); i++) {
    const [mine, right] = [JSON.stringify(answer[i]), JSON.stringify(expected[i])];
    if (mine !== right) return `row ${i}: answered ${mine}, right is ${right}`;
  }
  return undefined;
}
