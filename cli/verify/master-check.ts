import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import type { Log, LogRecord } from "../../infra/log/log.ts";
import { RecordReader } from "../../infra/log/record-reader.ts";
import { archivedIds } from "../../infra/master/archived-ids.ts";
import { columnValue, fieldToSql } from "../../infra/master/column-values.ts";
import { type EarlyValues, earlyValues } from "../../infra/master/early-values.ts";
import { evolvedFilesToSql } from "../../infra/master/evolved-files.ts";
import { nothingErased } from "../../infra/master/file-names.ts";
import type { Master, MasterFile } from "../../infra/master/master.ts";
import type { App } from "../../views/app.ts";
import { type Cut, type Offset, offset, offsetAt } from "../../views/cut.ts";
import { DuplicateWindow } from "../../views/duplicates.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Event, EventType } from "../../views/event.ts";
import type { SqlParameters } from "../../views/expression.ts";
import { valueAt } from "../../views/field.ts";
import type { Check } from "./check.ts";

/**
 * Every event of the log's archived part stands in the master dataset once, in order, as it was, duplicates marked; but for
 * as many as were erased, which a log that was not trimmed may still have. What the log no longer holds can't be
 * compared: its files abut, and that is all.
 */
export async function checkMaster(
  check: Check,
  app: App,
  log: Log,
  master: Master,
  end: Cut,
  connections: Pick<EarlyValues, "connection" | "reader">,
): Promise<void> {
  let records = 0;
  let files = 0;
  let unchecked = 0;
  let erased = 0;
  for (const type of app.events) {
    const all = await master.files(type.name);
    files += all.length;
    erased += await checkCounts(check, all, connections.connection);
    for (let partition = 0; partition < type.partitions; partition++) {
      const ofPartition = all.filter((file) => file.partition === partition);
      const next = ofPartition.at(-1)?.next ?? offset(0);
      if (next > offsetAt(end, type.name, partition)) {
        check.problem(
          `${type.name}/${partition}: reaches ${next}, beyond the log's end ${offsetAt(end, type.name, partition)}`,
        );
        continue;
      }
      const start = Math.min((await log.starts(type.name))[partition] ?? 0, next) as Offset;
      unchecked += start;
      records += await comparePartition({ check, type, log, partition, start, connections }, ofPartition);
    }
  }
  const gone = unchecked === 0 ? "" : `; ${unchecked.toLocaleString("en")} more are not in the log any more`;
  const taken = erased === 0 ? "" : `; ${erased.toLocaleString("en")} were erased`;
  check.covered = `${records.toLocaleString("en")} records in ${files} files${gone}${taken}`;
}

/** No file holds more records than it has offsets, those that were erased counted as well. Gives how many were. */
async function checkCounts(
  check: Check,
  files: readonly MasterFile[],
  connection: DuckDBConnection,
): Promise<number> {
  if (files.length === 0) return 0;
  const read = await connection.runAndReadAll(
    "SELECT file_name, CAST(num_rows AS DOUBLE) FROM parquet_file_metadata($1)",
    [listValue(files.map(({ path }) => path))],
  );
  const rows = new Map(read.getRows().map(([path, count]) => [String(path), Number(count)]));
  let sum = 0;
  for (const { path, from, next, erased = nothingErased } of files) {
    sum += erased.records;
    const held = rows.get(path) ?? 0;
    if (held + erased.records <= next - from) continue;
    check.problem(
      `${path}: holds ${held} records, and ${erased.records} were erased, of ${next - from} offsets`,
    );
  }
  return sum;
}

interface Compared {
  readonly check: Check;
  readonly type: EventType;
  readonly log: Log;
  readonly partition: number;
  /** From here on the log holds what is compared. */
  readonly start: Offset;
  readonly connections: Pick<EarlyValues, "connection" | "reader">;
}

async function comparePartition(compared: Compared, files: readonly MasterFile[]): Promise<number> {
  const { check, type, log, partition, start } = compared;
  const next = files.at(-1)?.next ?? offset(0);
  const archived = archivedRecords(compared, files);
  const reader = new RecordReader(type, partition);
  const window = await windowBefore(compared, files);
  const erased = files.flatMap(({ from, next, erased: { records: left } = nothingErased }) =>
    left === 0 ? [] : [{ from, next, left }],
  );
  let records = 0;
  let at = await archived.next();
  for await (const batch of log.read(type.name, partition, start, next)) {
    for (const record of batch.records) {
      const event = eventOf(reader, record);
      if (event === undefined) continue;
      if (at.value === undefined || offsetOf(at.value) > record.offset) {
        const within = erased.find(
          ({ from, next, left }) => record.offset >= from && record.offset < next && left > 0,
        );
        if (within !== undefined) {
          within.left--;
          continue;
        }
      }
      const isDuplicate = window.note(event.source, event.id, record.offset);
      const expected = JSON.stringify(describe(type, event, record.offset, isDuplicate));
      if (at.value !== expected) {
        check.problem(
          `${type.name}/${partition}: the master has ${at.value ?? "nothing"} where the log has ${expected}`,
        );
        return records;
      }
      records++;
      at = await archived.next();
    }
  }
  if (at.value !== undefined)
    check.problem(`${type.name}/${partition}: the master has ${at.value} beyond its range`);
  return records;
}

/** Of a record in the words of `describe`. */
function offsetOf(described: string): number {
  return Number.parseInt(described.slice(1), 10);
}

function describe(type: EventType, event: Event, at: number, isDuplicate: boolean): readonly unknown[] {
  const written = (value: unknown) => (typeof value === "number" ? value + 0 : (value ?? null));
  const values = type.fields.map(({ path, within }) => {
    const value = valueAt(event.data, path);
    if (within === undefined || value === undefined) return written(value);
    return (value as readonly unknown[]).map((element) => written(valueAt(element, within.path)));
  });
  return [at, event.id, event.source, event.time, isDuplicate, ...values];
}

/** Undefined for what is no event of the topic, which is a dead letter. */
function eventOf(reader: RecordReader, record: LogRecord): Event | undefined {
  try {
    return reader.event(record);
  } catch (error) {
    if (error instanceof TidemarkError) return undefined;
    throw error;
  }
}

/** What stands among the N records before the start, as the master has them. */
async function windowBefore(
  { type, partition, start, connections }: Compared,
  files: readonly MasterFile[],
): Promise<DuplicateWindow> {
  const window = new DuplicateWindow(type.duplicatesWithin);
  const from = offset(Math.max(0, start - type.duplicatesWithin));
  const before = { topic: type.name, partition, from, next: start };
  const ids = archivedIds(connections.connection, { files: async () => files }, before);
  for await (const { source, id, offset: at } of ids) window.note(source, id, at);
  return window;
}

/** The master's records of one partition from the start on, in the same words. */
async function* archivedRecords(
  { type, start, connections }: Compared,
  files: readonly MasterFile[],
): AsyncGenerator<string, undefined, undefined> {
  const columns = [
    "CAST(_offset AS DOUBLE)",
    "_event_id",
    "_event_source",
    "CAST(epoch_ms(_event_time) AS DOUBLE)",
    "_duplicate",
    ...type.fields.map(fieldToSql),
  ];
  for (const file of files.filter(({ next }) => next > start)) {
    const early = await earlyValues(connections, type, [file]);
    const parameters: SqlParameters = { values: [] };
    const records = evolvedFilesToSql(
      { event: type, covered: [file.path], straddling: [], early },
      parameters,
    );
    // A join may change the order that the file has, which is looked at as well where there is none.
    const order = early.length === 0 ? "" : " ORDER BY _offset";
    const result = await connections.connection.stream(
      `SELECT ${columns.join(", ")} FROM (${records}) WHERE _offset >= ${start}${order}`,
      parameters.values,
    );
    for (
      let chunk = await result.fetchChunk();
      chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      for (const row of chunk.getRows()) yield JSON.stringify(row.map(columnValue));
    }
  }
  return undefined;
}
