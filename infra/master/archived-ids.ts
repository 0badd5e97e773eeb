import { access } from "node:fs/promises";
import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import { type Offset, offset } from "../../views/cut.ts";
import type { Master } from "./master.ts";

/** Records `[from, next)` of a topic's partition. */
export interface ArchivedRange {
  readonly topic: string;
  readonly partition: number;
  readonly from: Offset;
  readonly next: Offset;
}

/** What tells an event from others, and where it stands. */
export interface ArchivedId {
  readonly source: string;
  readonly id: string;
  readonly offset: Offset;
}

/** In order of offset. What is not archived, or is no event of its topic, is left out. */
export type ArchivedIds = (range: ArchivedRange) => AsyncIterable<ArchivedId>;

/**
 * Of the master dataset, which keeps what a log may have let go of by now. Compaction may remove files that were listed: then
 * it lists again and goes on where it was.
 */
export async function* archivedIds(
  connection: DuckDBConnection,
  master: Pick<Master, "files">,
  range: ArchivedRange,
): AsyncGenerator<ArchivedId, void, undefined> {
  let { from } = range;
  let paths = await pathsOf(master, range);
  while (paths.length > 0) {
    try {
      for await (const found of idsIn(connection, paths, from, range.next)) {
        yield found;
        from = offset(found.offset + 1);
      }
      return;
    } catch (error) {
      const listed = await pathsOf(master, { ...range, from });
      // Files that are listed and can't be read are no work of compaction.
      if (paths.every((path) => listed.includes(path)) || !(await isAnyGone(paths))) throw error;
      paths = listed;
    }
  }
}

async function pathsOf(
  master: Pick<Master, "files">,
  { topic, partition, from, next }: ArchivedRange,
): Promise<readonly string[]> {
  return (await master.files(topic))
    .filter((file) => file.partition === partition && file.next > from && file.from < next)
    .map((file) => file.path);
}

async function isAnyGone(paths: readonly string[]): Promise<boolean> {
  for (const path of paths) {
    if (
      await access(path).then(
        () => false,
        () => true,
      )
    )
      return true;
  }
  return false;
}

async function* idsIn(
  connection: DuckDBConnection,
  paths: readonly string[],
  from: Offset,
  next: Offset,
): AsyncGenerator<ArchivedId, void, undefined> {
  const result = await connection.stream(
    `SELECT _event_source, _event_id, _offset FROM read_parquet($1) WHERE _offset >= $2 AND _offset < $3 ORDER BY _offset`,
    [listValue([...paths]), BigInt(from), BigInt(next)],
  );
  for await (const chunk of result) {
    const [sources = [], ids = [], offsets = []] = chunk.getColumns();
    for (const [row, source] of sources.entries()) {
      yield { source: source as string, id: ids[row] as string, offset: offset(Number(offsets[row])) };
    }
  }
}
