import { access } from "node:fs/promises";
import { type DuckDBConnection, listValue } from "@duckdb/node-api";
import { offset, offsetAt } from "../../views/cut.ts";
import { parseEnvelope } from "../../views/decoder.ts";
import type { EventType } from "../../views/event.ts";
import { type Field, valueAt } from "../../views/field.ts";
import { fieldsAfter, RecordDecoder } from "../../views/record-decoder.ts";
import { asidePath, moveDurably } from "../durable.ts";
import { earlyPath } from "./file-names.ts";
import type { MasterFile } from "./master.ts";
import { RecordTable } from "./record-table.ts";

/**
 * Values of a field that stand in records from before it was declared. A master file of that time has no column for the
 * field: its records hold the value in `_rest`. Beside the file goes, once, another of the same columns but only those
 * fields and only the records that have one: `<from>-<next>.early-2.parquet` for the fields of the second schema.
 */
export interface EarlyValues {
  readonly connection: DuckDBConnection;
  /** For reading while the other writes. */
  readonly reader: DuckDBConnection;
  readonly signal?: AbortSignal;
}

/**
 * The files of early values beside `files`, all of one type, those that hold any; makes what is not there yet. Only for
 * the one process that adds to the master dataset.
 */
export async function earlyValues(
  parts: EarlyValues,
  type: EventType,
  files: readonly MasterFile[],
): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const { file, fields, path } of earlyFiles(type, files)) {
    if (!(await isThere(path))) await writeEarly(parts, type, fields, file, path);
    paths.push(path);
  }
  return paths.length === 0 ? [] : withRows(parts.connection, paths);
}

/**
 * Makes the files of early values of a file that still lies aside and will be `file`, so that nobody sees the one without the
 * others.
 */
export async function writeEarlyValuesOf(
  parts: EarlyValues,
  type: EventType,
  file: MasterFile,
  aside: string,
): Promise<void> {
  for (const { fields, path } of earlyFiles(type, [file])) {
    await writeEarly(parts, type, fields, { ...file, path: aside }, path);
  }
}

/** Which of the type's former schemas ended past the file; files that say otherwise find early values otherwise. */
export function schemasAfter(type: EventType, { partition, next }: MasterFile): string {
  return type.former
    .map((former) => (next > offsetAt({ [type.name]: former.next }, type.name, partition) ? "-" : "+"))
    .join("");
}

/** Those that are there by now, with or without rows: for whoever only reads. */
export async function readableEarlyValues(
  type: EventType,
  files: readonly MasterFile[],
): Promise<readonly string[]> {
  const paths = [...earlyFiles(type, files)].map(({ path }) => path);
  const there = await Promise.all(paths.map(isThere));
  return paths.filter((_, i) => there[i]);
}

/** A file for each schema that declared fields after a file of the master dataset was written. */
function* earlyFiles(type: EventType, files: readonly MasterFile[]) {
  for (const [i, { next }] of type.former.entries()) {
    const since = { [type.name]: next };
    const fields = fieldsDeclaredAfter(type, i);
    if (fields.length === 0) continue;
    for (const file of files) {
      // One that goes on has been written since, with the field's column.
      if (file.next > offsetAt(since, type.name, file.partition)) continue;
      yield { file, fields, path: earlyPath(file.path, i + 2) };
    }
  }
}

/** The fields of the schema that came right after the former one `index`, as they were declared in it. */
function fieldsDeclaredAfter(type: EventType, index: number): readonly Field[] {
  const following = [...type.former, type][index + 1];
  return fieldsAfter(type, index).flatMap(({ name, from }) =>
    from === following ? from.fields.filter(({ path: [top] }) => top === name) : [],
  );
}

async function writeEarly(
  { connection, reader, signal }: EarlyValues,
  type: EventType,
  fields: readonly Field[],
  file: MasterFile,
  path: string,
): Promise<void> {
  const table = await RecordTable.create(connection, { ...type, fields });
  const { partition } = file;
  const decoder = new RecordDecoder(type, partition);
  const lacking = await lackingIn(reader, file.path, fields);
  const result = await reader.stream(
    `SELECT CAST(_offset AS DOUBLE), _rest FROM read_parquet($1) WHERE _rest IS NOT NULL AND $2 ORDER BY _offset`,
    [file.path, lacking.length > 0],
  );
  for await (const chunk of result) {
    signal?.throwIfAborted();
    const [offsets = [], rests = []] = chunk.getColumns();
    rests.forEach((rest, row) => {
      const [text, at] = [rest as string, offset(offsets[row] as number)];
      const event = decoder.event(parseEnvelope(text), text, at);
      if (!lacking.some(({ path }) => valueAt(event.data, path) !== undefined)) return;
      table.append({ partition, offset: at, event, isDuplicate: false, rest: null });
    });
  }
  const aside = asidePath(path);
  await table.writeParquet(aside);
  await moveDurably(aside, path);
}

async function lackingIn(
  connection: DuckDBConnection,
  path: string,
  fields: readonly Field[],
): Promise<readonly Field[]> {
  const described = await connection.runAndReadAll("DESCRIBE SELECT * FROM read_parquet($1)", [path]);
  const columns = new Set(described.getRows().map(([name]) => name));
  return fields.filter(({ name }) => !columns.has(name));
}

async function withRows(connection: DuckDBConnection, paths: readonly string[]): Promise<readonly string[]> {
  const result = await connection.runAndReadAll(
    "SELECT file_name FROM parquet_file_metadata($1) WHERE num_rows > 0 ORDER BY file_name",
    [listValue([...paths])],
  );
  return result.getRows().map(([name]) => String(name));
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
