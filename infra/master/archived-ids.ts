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

/** Of the master dataset, which keeps what a log may have let go of by now. */
export async function* archivedIds(
  connection: DuckDBConnection,
  master: Pick<Master, "files">,
  { topic, partition, from, next }: ArchivedRange,
): AsyncGenerator<ArchivedId, void, undefined> {
  const paths = (await master.files(topic))
    .filter((file) => file.partition === partition && file.next > from && file.from < next)
    .map((file) => file.path);
  if (paths.length === 0) return;
  const result = await connection.stream(
    `SELECT _event_source, _event_id, _offset FROM read_parquet($1) WHERE _offset >= $2 AND _offset < $3 ORDER BY _offset`,
    [listValue(paths), BigInt(from), BigInt(next)],
  );
  for await (const chunk of result) {
    const [sources = [], ids = [], offsets = []] = chunk.getColumns();
    for (const [row, source] of sources.entries()) {
      yield { source: source as string, id: ids[row] as string, offset: offset(Number(offsets[row])) };
    }
  }
}
