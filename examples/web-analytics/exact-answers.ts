import { DuckDBInstance } from "@duckdb/node-api";
import type { Question } from "./questions.ts";

export type ExactRow = Readonly<Record<string, string | number | null>>;

/** What DuckDB answers to each question, straight over a file of the lines that were sent. */
export async function answerExactly(
  path: string,
  questions: readonly Question[],
): Promise<readonly (readonly ExactRow[])[]> {
  // One thread: lines are numbered as they stand in the file.
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  try {
    const connection = await instance.connect();
    await connection.run(events, { path });
    const answers: ExactRow[][] = [];
    for (const { sql } of questions) {
      const reader = await connection.runAndReadAll(sql);
      answers.push(reader.getRowObjects().map(plainRow));
    }
    return answers;
  } finally {
    instance.closeSync();
  }
}

/** An event that was sent again counts where it came first. */
const events = `
  CREATE TEMP TABLE events AS
  SELECT
    line, type, instant, url,
    lower(regexp_extract(url, '^https://([^/:?#]*)', 1)) AS host,
    coalesce(nullif(regexp_extract(url, '^https://[^/?#]*([^?#]*)', 1), ''), '/') AS path,
    visitor, agent, referrer, loadMs, goal, campaign, cents
  FROM (
    SELECT
      row_number() OVER () AS line, id, type, timezone('UTC', time::TIMESTAMPTZ) AS instant, unnest(data)
    FROM read_json($path, format = 'newline_delimited', columns = {
      id: 'VARCHAR', type: 'VARCHAR', time: 'VARCHAR', data: 'STRUCT(
        url VARCHAR, visitor VARCHAR, agent VARCHAR, referrer VARCHAR, loadMs BIGINT, goal VARCHAR, campaign VARCHAR, cents BIGINT
      )'
    })
  )
  QUALIFY row_number() OVER (PARTITION BY id ORDER BY line) = 1`;

function plainRow(row: Readonly<Record<string, unknown>>): ExactRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === "bigint" ? Number(value) : value]),
  ) as ExactRow;
}
