import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import type { MasterFile } from "./master.ts";

/**
 * Tells which files are old: all their events are from before a time, in milliseconds since the epoch. Files never
 * change: of each the statistics are read once.
 */
export class OldFiles {
  readonly #before: () => number;
  /** By partition, then by path: the time of the newest event; none of a file without records. */
  readonly #newest = new Map<string, ReadonlyMap<string, number | undefined>>();

  constructor(before: () => number) {
    this.#before = before;
  }

  /** Those of one partition's files. */
  async among<File extends MasterFile>(
    connection: DuckDBConnection,
    files: readonly File[],
  ): Promise<readonly File[]> {
    const [first] = files;
    if (first === undefined) return [];
    const place = `${first.topic}/${first.partition}`;
    const known = this.#newest.get(place);
    const unknown = files.flatMap(({ path }) => (known?.has(path) ? [] : [path]));
    const read = unknown.length === 0 ? undefined : await newestIn(connection, unknown);
    const newest = new Map(files.map(({ path }) => [path, known?.get(path) ?? read?.get(path)] as const));
    this.#newest.set(place, newest);
    const before = this.#before();
    return files.filter(({ path }) => (newest.get(path) ?? Number.NEGATIVE_INFINITY) < before);
  }
}

/** Of no row group more than its statistics are read; one without them is younger than anything. */
async function newestIn(
  connection: DuckDBConnection,
  paths: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const result = await connection.runAndReadAll(
    `SELECT file_name, max(coalesce(CAST(epoch_ms(CAST(stats_max_value AS TIMESTAMP)) AS DOUBLE), 'infinity'))
FROM parquet_metadata($1) WHERE path_in_schema = '_event_time' GROUP BY 1`,
    [listValue([...paths])],
  );
  return new Map(result.getRows().map(([path, newest]) => [String(path), Number(newest)]));
}
