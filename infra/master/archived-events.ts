import type { DuckDBConnection } from "@duckdb/node-api";
import { type Offset, offset } from "../../views/cut.ts";
import { parseEnvelope } from "../../views/decoder.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Event, EventType } from "../../views/event.ts";
import { RecordDecoder } from "../../views/record-decoder.ts";
import type { ArchivedId } from "./archived-ids.ts";
import { columnBytes, columnValue, dataReader, fieldToSql } from "./column-values.ts";
import type { Master, MasterFile } from "./master.ts";
import { unreadable } from "./readable.ts";

/** An event as its columns give it, and where its record stands. */
export interface ArchivedEvent extends ArchivedId, Pick<Event, "time" | "data"> {}

/** Events of `[from, next)` of a partition, in order, those that are duplicates too. */
export interface ArchivedBatch {
  readonly next: Offset;
  readonly events: readonly ArchivedEvent[];
  /** What was read of files for them and for those to come, compressed. */
  readonly bytes: number;
}

/** The events of a partition's records `[from, next)`, as far as files go; TIDEMARK_STORE_GAP if that is not up to there. */
export type ArchivedEvents = (
  type: EventType,
  partition: number,
  from: Offset,
  next: Offset,
) => AsyncIterable<ArchivedBatch>;

/**
 * Of the master dataset. A record that was written before a field was declared is decoded from its own text, by the schemas
 * that it has seen, where a file keeps that. TIDEMARK_STORE_CORRUPT names a file that can't be read, or holds what is not its own.
 */
export async function* archivedEvents(
  connection: DuckDBConnection,
  master: Pick<Master, "files">,
  type: EventType,
  partition: number,
  from: Offset,
  next: Offset,
): AsyncGenerator<ArchivedBatch, void, undefined> {
  const files = (await master.files(type.name)).filter((file) => file.partition === partition);
  const reached = files.at(-1)?.next ?? 0;
  if (reached < next) {
    throw new TidemarkError(
      "TIDEMARK_STORE_GAP",
      `the master dataset holds ${type.name}/${partition} up to ${reached}, and records up to ${next} are asked of it`,
    );
  }
  for (const file of files) {
    if (file.next <= from) continue;
    if (file.from >= next) return;
    const range = { from: offset(Math.max(file.from, from)), next: offset(Math.min(file.next, next)) };
    try {
      yield* eventsOf(connection, type, file, range);
    } catch (cause) {
      throw cause instanceof TidemarkError ? cause : unreadable(file.path, cause);
    }
  }
}

async function* eventsOf(
  connection: DuckDBConnection,
  type: EventType,
  file: MasterFile,
  { from, next }: Pick<MasterFile, "from" | "next">,
): AsyncGenerator<ArchivedBatch, void, undefined> {
  const there = await columnsOf(connection, file.path);
  const fields = type.fields.filter(({ name }) => there.has(name));
  const decoder = type.former.length > 0 ? new RecordDecoder(type, file.partition) : undefined;
  const envelope = ["_offset", "_event_source", "_event_id", "_event_time"];
  const rest = decoder === undefined ? [] : ["_rest"];
  const names = [...envelope, ...rest, ...fields.map(({ name }) => name)];
  let bytes = await columnBytes(connection, [file.path], new Set(names));
  const columns = [
    ...["CAST(_offset AS DOUBLE)", "_event_source", "_event_id", "CAST(epoch_ms(_event_time) AS DOUBLE)"],
    ...rest,
    ...fields.map(fieldToSql),
  ];
  const result = await connection.stream(
    `SELECT ${columns.join(", ")} FROM read_parquet($1) WHERE _offset >= $2 AND _offset < $3`,
    [file.path, BigInt(from), BigInt(next)],
  );
  let at = from;
  for await (const chunk of result) {
    const values = chunk.getColumns().map((column) => column.map(columnValue));
    const byName = new Map(names.map((name, i) => [name, values[i]]));
    const [offsets = [], sources = [], ids = [], times = []] = values;
    const read = dataReader(type.shape, (name) => byName.get(name));
    const rests = byName.get("_rest");
    const events = offsets.map((value, i): ArchivedEvent => {
      const place = offset(value as number);
      if (place < at)
        throw corrupt(file, `has a record of offset ${place} where ${at} or a later one is due`);
      at = (place + 1) as Offset;
      const text = (rests?.[i] ?? undefined) as string | undefined;
      const isDecoded = decoder !== undefined && text !== undefined;
      const data = isDecoded ? decoder.event(parseEnvelope(text), text, place).data : read(i);
      const [source, id, time] = [sources[i] as string, ids[i] as string, times[i] as number];
      return { offset: place, source, id, time, data };
    });
    yield { next: at, events, bytes };
    bytes = 0;
  }
  yield { next, events: [], bytes };
}

/** The names of a file's columns. */
export async function columnsOf(connection: DuckDBConnection, path: string): Promise<ReadonlySet<string>> {
  const described = await connection.runAndReadAll("DESCRIBE SELECT * FROM read_parquet($1)", [path]);
  return new Set(described.getRows().map(([name]) => String(name)));
}

function corrupt({ path }: MasterFile, what: string): TidemarkError {
  return new TidemarkError("TIDEMARK_STORE_CORRUPT", `"${path}" ${what}`);
}
