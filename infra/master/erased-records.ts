import { BIGINT, type DuckDBConnection, INTEGER, LIST, listValue, VARCHAR } from "@duckdb/node-api";
import { keyColumnsIn } from "../../views/change.ts";
import { offset, offsetAt } from "../../views/cut.ts";
import { type Envelope, parseEnvelope } from "../../views/decoder.ts";
import type { EventType } from "../../views/event.ts";
import { quoteIdentifier } from "../../views/expression.ts";
import { isOfType, isOld, type LeavingFacts, type OldFacts, type SubjectFacts } from "../../views/subject.ts";
import { AppendedTable } from "../appended-table.ts";
import type { MasterFile } from "./master.ts";

/** A record that is to be taken out. */
interface ErasedRecord {
  readonly partition: number;
  readonly offset: bigint;
  readonly source: string;
  readonly id: string;
}

/** What changes in one file. */
export interface FileChange {
  readonly file: MasterFile;
  /** How many of its records go. */
  readonly records: number;
}

/** Records to be taken out, and those whose duplicate mark changes with it, as temporary tables of a connection. */
export interface ErasedRecords {
  /** How many of each of the facts that are to leave; what is of several is the first's. */
  readonly counts: readonly number[];
  /** Files that hold any, of each. */
  readonly filesOf: readonly number[];
  readonly changes: readonly FileChange[];
  /** SQL of the records that stay of the file that is `$1`, in order, all their columns. */
  keptToSql(file: MasterFile): string;
}

const erasedTable = "_erased";
const marksTable = "_marks";

interface Connections {
  readonly connection: DuckDBConnection;
  readonly reader: DuckDBConnection;
}

/**
 * Finds the records of one type that are to leave. A record stands under its event's key: the attribute `partitionkey`,
 * which only its own text has, or else what the type declares. What is a duplicate of nothing but erased records is
 * none any more.
 */
export async function findErasedRecords(
  connections: Connections,
  type: EventType,
  files: readonly MasterFile[],
  leaving: readonly LeavingFacts[],
): Promise<ErasedRecords> {
  const { connection } = connections;
  const table = await AppendedTable.create<ErasedRecord>(connection, erasedTable, [
    { name: "_partition", type: INTEGER, of: (record) => record.partition },
    { name: "_offset", type: BIGINT, of: (record) => record.offset },
    { name: "_event_source", type: VARCHAR, of: (record) => record.source },
    { name: "_event_id", type: VARCHAR, of: (record) => record.id },
  ]);
  const counts = leaving.map(() => 0);
  const filesOf = leaving.map(() => 0);
  const records = new Map<MasterFile, number>();
  const note = (file: MasterFile, which: number, count: number) => {
    if (count === 0) return;
    counts[which] = (counts[which] ?? 0) + count;
    filesOf[which] = (filesOf[which] ?? 0) + 1;
    records.set(file, (records.get(file) ?? 0) + count);
  };
  const subjects = leaving.filter((facts) => !isOld(facts));
  for (const file of files) {
    const bySubject = new Map<SubjectFacts, number>();
    for await (const [record, subject] of recordsOf(connections.reader, type, file, subjects)) {
      table.append(record);
      bySubject.set(subject, (bySubject.get(subject) ?? 0) + 1);
    }
    for (const [subject, count] of bySubject) note(file, leaving.indexOf(subject), count);
  }
  table.close();
  for (const [which, facts] of leaving.entries()) {
    if (!isOld(facts) || !isOfType(facts, type.name)) continue;
    for (const file of files) note(file, which, await addOld(connection, file, facts));
  }
  const touched = new Set([...records.keys()].map(({ partition }) => partition));
  const marked = await findMarks(
    connection,
    type,
    files.filter(({ partition }) => touched.has(partition)),
  );
  const changes = files.flatMap((file) =>
    records.has(file) || marked(file) ? [{ file, records: records.get(file) ?? 0 }] : [],
  );
  return { counts, filesOf, changes, keptToSql };
}

/**
 * Adds a file's records that are too old, and gives how many. Of a file without any DuckDB reads nothing but the
 * smallest times of its row groups.
 */
async function addOld(
  connection: DuckDBConnection,
  { topic, partition, path }: MasterFile,
  { before, bound }: OldFacts,
): Promise<number> {
  const added = await connection.run(
    `INSERT INTO ${erasedTable} SELECT _partition, _offset, _event_source, _event_id FROM read_parquet($1)
WHERE _event_time < make_timestamp(${Date.parse(before)}000) AND _offset < ${offsetAt(bound, topic, partition)}
AND NOT (${isAmong(erasedTable, partition)})`,
    [path],
  );
  return added.rowsChanged;
}

/** Reads of a file the records under any of the keys. */
async function* recordsOf(
  reader: DuckDBConnection,
  type: EventType,
  file: MasterFile,
  subjects: readonly SubjectFacts[],
): AsyncGenerator<readonly [ErasedRecord, SubjectFacts], void, undefined> {
  const { partition, from, path } = file;
  const declared = declaredKey(type);
  const asked = subjects.map((each) => ({
    subject: each,
    key: each.key,
    values: declared.valuesOf(each.key),
    next: isOfType(each, type.name) ? offsetAt(each.bound, type.name, partition) : offset(0),
  }));
  if (asked.every(({ next }) => next <= from)) return;
  const columns = declared.columns.map((column) => `CAST(${quoteIdentifier(column)} AS VARCHAR)`);
  // The attribute's name may be written with escapes.
  const hasAttribute = `coalesce(contains(_rest, 'partitionkey') OR contains(_rest, '\\u'), false)`;
  const result = await reader.stream(
    `SELECT CAST(_offset AS DOUBLE), _event_source, _event_id, if(${hasAttribute}, _rest, NULL), ${columns.join(", ")}
FROM read_parquet($1) WHERE ${hasAttribute} OR list_contains($2, ${columns[0]})`,
    [path, listValue(asked.flatMap(({ values }) => values?.slice(0, 1) ?? []))],
    [VARCHAR, LIST(VARCHAR)],
  );
  for await (const chunk of result) {
    const [offsets = [], sources = [], ids = [], rests = [], ...keys] = chunk.getColumns();
    for (const [row, value] of offsets.entries()) {
      const at = offset(value as number);
      const rest = rests[row] as string | null;
      const { partitionkey }: Envelope = rest === null ? {} : parseEnvelope(rest);
      const isUnder = ({ key, values }: (typeof asked)[number]) =>
        partitionkey === undefined
          ? values?.every((each, column) => keys[column]?.[row] === each)
          : partitionkey === key;
      const found = asked.find((each) => isUnder(each) && at < each.next);
      if (found === undefined) continue;
      const record = {
        partition,
        offset: BigInt(at),
        source: sources[row] as string,
        id: ids[row] as string,
      };
      yield [record, found.subject];
    }
  }
}

/** The columns that a type declares as its key, and of each what a record under the key has there, as text; undefined: none is. */
interface DeclaredKey {
  readonly columns: readonly string[];
  valuesOf(key: string): readonly string[] | undefined;
}

function declaredKey({ keyField, changes, fields }: EventType): DeclaredKey {
  if (changes === undefined) {
    return { columns: [keyField?.name ?? "_event_id"], valuesOf: (key) => [key] };
  }
  const typeOf = (column: string | undefined) =>
    fields.find(({ name }) => name === column)?.type === "integer" ? "number" : "string";
  return {
    columns: changes.key,
    valuesOf: (key) => {
      const values = keyColumnsIn(changes, key);
      const areOfType = values?.every((value, i) => typeof value === typeOf(changes.key[i]));
      return areOfType ? values?.map(String) : undefined;
    },
  };
}

/** Notes which of the remaining records change their duplicate mark; says whether a file has any. */
async function findMarks(
  connection: DuckDBConnection,
  { duplicatesWithin }: EventType,
  files: readonly MasterFile[],
): Promise<(file: MasterFile) => boolean> {
  const columns = "_partition, _offset, _event_source, _event_id, _duplicate";
  const none = `SELECT ${columns} FROM (SELECT CAST(NULL AS INTEGER) AS _partition, CAST(NULL AS BIGINT) AS _offset, '' AS _event_source, '' AS _event_id, false AS _duplicate) WHERE false`;
  const all = files.length === 0 ? none : `SELECT ${columns} FROM read_parquet($1)`;
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE ${marksTable} AS SELECT _partition, _offset FROM (
  SELECT _partition, _offset, _duplicate, coalesce(_offset - lag(_offset) OVER (
    PARTITION BY _partition, _event_source, _event_id ORDER BY _offset
  ) <= ${duplicatesWithin}, false) AS _is_duplicate
  FROM (${all}) AS _record
  WHERE EXISTS (FROM ${erasedTable} AS e WHERE (e._partition, e._event_source, e._event_id) = (_record._partition, _record._event_source, _record._event_id))
  AND NOT EXISTS (FROM ${erasedTable} AS e WHERE (e._partition, e._offset) = (_record._partition, _record._offset))
) WHERE _duplicate <> _is_duplicate`,
    files.length === 0 ? [] : [listValue(files.map(({ path }) => path))],
  );
  const read = await connection.runAndReadAll(
    `SELECT _partition, CAST(_offset AS DOUBLE) FROM ${marksTable} ORDER BY ALL`,
  );
  const marks = read.getRows().map(([partition, at]) => [Number(partition), Number(at)] as const);
  return ({ partition, from, next }) => marks.some(([p, at]) => p === partition && at >= from && at < next);
}

function keptToSql({ partition }: MasterFile): string {
  return `SELECT * REPLACE (if(${isAmong(marksTable, partition)}, NOT _duplicate, _duplicate) AS _duplicate) FROM read_parquet($1) WHERE NOT (${isAmong(erasedTable, partition)}) ORDER BY _offset`;
}

/** Whether a record of the partition is in one of the tables, as SQL. */
function isAmong(table: string, partition: number): string {
  return `_offset IN (SELECT _offset FROM ${table} WHERE _partition = ${partition})`;
}
