import type { DuckDBConnection } from "@duckdb/node-api";
import { type Offset, offset } from "../../views/cut.ts";
import { type Data, sentData } from "../../views/data.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Event, EventType } from "../../views/event.ts";
import { formatTime } from "../../views/time.ts";
import type { Log } from "../log/log.ts";
import { RecordReader } from "../log/record-reader.ts";
import { columnsOf } from "./archived-events.ts";
import { columnValue, dataReader, fieldToSql } from "./column-values.ts";
import type { Master, MasterFile } from "./master.ts";
import { unreadable } from "./readable.ts";

/** Events of a partition as they can be sent again, each on one line, in order of offset, those that are duplicates too. */
export interface SentBatch {
  readonly lines: readonly string[];
  /** Of the partition. */
  readonly next: Offset;
}

/** Those of the master dataset: as they came where a file keeps that, else made of its columns, which say the same. */
export async function* archivedLines(
  connection: DuckDBConnection,
  master: Pick<Master, "files">,
  type: EventType,
  partition: number,
): AsyncGenerator<SentBatch, void, undefined> {
  for (const file of await master.files(type.name)) {
    if (file.partition !== partition) continue;
    try {
      yield* linesOf(connection, type, file);
    } catch (cause) {
      throw cause instanceof TidemarkError ? cause : unreadable(file.path, cause);
    }
  }
}

/** Those that the log has from `from` on. What is no event is passed over. */
export async function* loggedLines(
  log: Log,
  type: EventType,
  partition: number,
  from: Offset,
): AsyncGenerator<SentBatch, void, undefined> {
  const end = (await log.nexts(type.name))[partition] ?? offset(0);
  const reader = new RecordReader(type, partition);
  if (from >= end) return;
  for await (const { records, next } of log.read(type.name, partition, from, end)) {
    const lines: string[] = [];
    for (const record of records) {
      try {
        const { event, rest } = reader.archived(record);
        lines.push(rest === null ? lineOf(type, event) : onOneLine(rest));
      } catch (error) {
        if (!(error instanceof TidemarkError)) throw error;
      }
    }
    yield { lines, next };
  }
}

async function* linesOf(
  connection: DuckDBConnection,
  type: EventType,
  { path, next }: MasterFile,
): AsyncGenerator<SentBatch, void, undefined> {
  const there = await columnsOf(connection, path);
  const fields = type.fields.filter(({ name }) => there.has(name));
  const envelope = ["_offset", "_event_source", "_event_id", "_event_time", "_rest"];
  const names = [...envelope, ...fields.map(({ name }) => name)];
  const columns = [
    ...["CAST(_offset AS DOUBLE)", "_event_source", "_event_id", "CAST(epoch_ms(_event_time) AS DOUBLE)"],
    ...["_rest", ...fields.map(fieldToSql)],
  ];
  const result = await connection.stream(
    `SELECT ${columns.join(", ")} FROM read_parquet($1) ORDER BY _offset`,
    [path],
  );
  for await (const chunk of result) {
    const values = chunk.getColumns().map((column) => column.map(columnValue));
    const byName = new Map(names.map((name, i) => [name, values[i]]));
    const [offsets = [], sources = [], ids = [], times = [], rests = []] = values;
    const read = dataReader(type.shape, (name) => byName.get(name));
    const lines = offsets.map((_, i) => {
      const rest = rests[i];
      if (typeof rest === "string") return onOneLine(rest);
      const [source, id, time] = [sources[i] as string, ids[i] as string, times[i] as number];
      return lineOf(type, { source, id, time, data: read(i) });
    });
    yield { lines, next: offset(Number(offsets.at(-1)) + 1) };
  }
  yield { lines: [], next };
}

function lineOf(type: EventType, { source, id, time, data }: Pick<Event, "source" | "id" | "time" | "data">) {
  const sent = sentData(type.shape, data as Data);
  return JSON.stringify({
    ...{ specversion: "1.0", id, source, type: type.name, time: formatTime(time), data: sent },
  });
}

/** Within JSON a line can only end between two tokens. */
function onOneLine(json: string): string {
  return json.replace(/[\r\n]+/g, " ");
}
