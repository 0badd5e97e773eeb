import type { DuckDBConnection } from "@duckdb/node-api";
import type { StatesPart } from "../infra/generations/state-parts.ts";
import type { Timers } from "../infra/timers.ts";
import { quoteIdentifier } from "../views/expression.ts";
import { runStatement } from "./statement.ts";

/**
 * So many rows the latest parts have: what mostly is written anew. Those before them have twice as many each, so that there are
 * few of them, however many rows there are.
 */
export const defaultPartRows = 16_384;

export interface WriteParts {
  /** The temporary table of states, in order of key. */
  readonly table: string;
  readonly rows: number;
  /** The first pane that its first part may hold; null: however early. */
  readonly from: number | null;
  readonly connection: DuckDBConnection;
  readonly partRows: number;
  /** Gives names for files. */
  readonly files: Iterator<string, never>;
  readonly pathOf: (file: string) => string;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

/** Writes the table's rows into Parquet files by panes, each in order of key. At least one: it says which columns there are. */
export async function writeParts(parts: WriteParts): Promise<readonly StatesPart[]> {
  const { connection, table, files, pathOf, timers, signal } = parts;
  const written: StatesPart[] = [];
  const ranges = await rangesOf(parts);
  for (const [i, { from, rows }] of ranges.entries()) {
    const { value: file } = files.next();
    const parameters: (number | string)[] = [];
    const place = (pane: number) => `CAST($${parameters.push(pane)} AS BIGINT)`;
    const next = ranges[i + 1]?.from;
    const conditions = [
      ...(i === 0 || from === null ? [] : [`_pane >= ${place(from)}`]),
      ...(next === undefined || next === null ? [] : [`_pane < ${place(next)}`]),
    ];
    const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
    const rowsToSql = `SELECT * FROM temp.main.${quoteIdentifier(table)}${where}`;
    const sql = copyToSql(rowsToSql, `$${parameters.push(pathOf(file))}`);
    await runStatement(connection, { sql, parameters }, signal, timers);
    written.push({ file, from, rows });
  }
  return written;
}

/** `path` as SQL. */
export function copyToSql(rows: string, path: string): string {
  return `COPY (${rows}) TO ${path} (FORMAT parquet, COMPRESSION zstd)`;
}

/** Whether so many rows go into one file, whatever their panes. */
export function isOnePart(rows: number, partRows: number): boolean {
  return rows <= 2 * partRows;
}

type Range = Omit<StatesPart, "file">;

/** From the latest rows on back: two ranges of `partRows`, then each as many as all after it. */
async function rangesOf(parts: WriteParts): Promise<readonly Range[]> {
  const { connection, table, rows, from, partRows, timers, signal } = parts;
  if (isOnePart(rows, partRows)) return [{ from, rows }];
  const sql = `SELECT CAST(min(_pane) AS DOUBLE), CAST(sum(_rows) AS DOUBLE) FROM (
  SELECT _pane, _rows, CAST(sum(_rows) OVER (ORDER BY _pane DESC) AS DOUBLE) - _rows AS _later
  FROM (SELECT _pane, count(*) AS _rows FROM temp.main.${quoteIdentifier(table)} GROUP BY 1)
) GROUP BY CASE WHEN _later < ${partRows} THEN 0 ELSE 1 + floor(log2(_later / ${partRows})) END ORDER BY 1`;
  const result = await runStatement(connection, { sql, parameters: [] }, signal, timers);
  const ranges = (await result.getRows()).map(([first, count]) => ({
    from: Number(first) as number | null,
    rows: Number(count),
  }));
  const [earliest, second, ...others] = ranges;
  // What is left over for the earliest may be little.
  if (earliest !== undefined && second !== undefined && earliest.rows < partRows) {
    return [{ from, rows: earliest.rows + second.rows }, ...others];
  }
  return ranges.map((range, i) => (i === 0 ? { ...range, from } : range));
}
