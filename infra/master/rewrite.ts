import { type DuckDBConnection, type DuckDBValue, listValue } from "@duckdb/node-api";
import { TidemarkError } from "../../views/errors.ts";
import { quoteIdentifier } from "../../views/expression.ts";
import { rowGroupRows } from "./record-table.ts";

/**
 * Writes the records of several files, which have the same columns, into one, in the order of the files. Nothing of a record
 * changes: what was written is read again and held against the files; TIDEMARK_STORE_CORRUPT if it is not the same.
 */
export async function rewriteFiles(
  connection: DuckDBConnection,
  paths: readonly string[],
  to: string,
): Promise<void> {
  // The order of files and of their rows is kept by DuckDB's default setting `preserve_insertion_order`.
  await rewriteRecords(connection, { paths, records: "SELECT * FROM read_parquet($1)", to });
}

export interface Rewriting {
  readonly paths: readonly string[];
  /** SQL of the records to be written, in order, with all columns of the files, which are `$1`. */
  readonly records: string;
  readonly to: string;
}

/** Writes records of files into one, reads them again and holds them against what was to be written: TIDEMARK_STORE_CORRUPT. */
export async function rewriteRecords(
  connection: DuckDBConnection,
  { paths, records, to }: Rewriting,
): Promise<void> {
  const from = listValue([...paths]);
  const described = await connection.runAndReadAll("DESCRIBE SELECT * FROM read_parquet($1)", [from]);
  const columns = described.getRows().map(([name, type]) => asWritten(String(name), String(type)));
  await connection.run(
    `COPY (SELECT ${columns.join(", ")} FROM (${records})) TO $2 (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroupRows})`,
    [from, to],
  );
  const [before, after] = [
    await fingerprint(connection, records, from),
    await fingerprint(connection, "SELECT * FROM read_parquet($1)", listValue([to])),
  ];
  if (before === after) return;
  throw new TidemarkError(
    "TIDEMARK_STORE_CORRUPT",
    `"${to}" does not hold what the ${paths.length} files from "${paths[0]}" on hold (${after}, not ${before}), or their records are not in order`,
  );
}

/** DuckDB reads milliseconds as microseconds, and would write them so. */
function asWritten(name: string, type: string): string {
  const column = quoteIdentifier(name);
  return type.startsWith("TIMESTAMP")
    ? `CAST(${column} AS ${type.replace(/^TIMESTAMP(?!_)/, "TIMESTAMP_MS")}) AS ${column}`
    : column;
}

/** Of all columns of all records, with how many there are and how many do not come after the one before. */
async function fingerprint(
  connection: DuckDBConnection,
  ofRecords: string,
  paths: DuckDBValue,
): Promise<string> {
  const result = await connection.runAndReadAll(
    `SELECT count(*), sum(hash(record)), count(*) FILTER (NOT is_after) FROM (
  SELECT record, coalesce(record._offset > lag(record._offset) OVER (), true) AS is_after FROM (${ofRecords}) AS record
)`,
    [paths],
  );
  const [[records, sum, unordered] = []] = result.getRows();
  return `${records} records, sum of hashes ${sum}, ${unordered} out of order`;
}

/** By path, the columns and their types, as a text. */
export async function columnsOfFiles(
  connection: DuckDBConnection,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const result = await connection.runAndReadAll(
    `SELECT file_name, string_agg(concat_ws(' ', name, type, converted_type, num_children), ',' ORDER BY column_id)
FROM parquet_schema($1) GROUP BY file_name`,
    [listValue([...paths])],
  );
  return new Map(result.getRows().map(([path, columns]) => [String(path), String(columns)]));
}
