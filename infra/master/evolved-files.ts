import type { Offset } from "../../views/cut.ts";
import type { EventType } from "../../views/event.ts";
import { columnType, quoteIdentifier, type SqlParameters } from "../../views/expression.ts";

/** A file of the master dataset of which only the offsets from `from` on, 0 if absent, and before `next` are read. */
export interface StraddlingFile {
  readonly path: string;
  readonly from?: Offset;
  readonly next: Offset;
}

/** Files of the master dataset that were written under several schemas of their type. */
export interface EvolvedFiles {
  readonly event: EventType;
  readonly covered: readonly string[];
  readonly straddling: readonly StraddlingFile[];
  readonly early?: readonly string[];
}

/** Columns of the envelope, with their types as `infra/master/master.ts` has them. */
const envelope = {
  _partition: "INTEGER",
  _offset: "BIGINT",
  _event_id: "VARCHAR",
  _event_source: "VARCHAR",
  _event_time: "TIMESTAMP_MS",
  _duplicate: "BOOLEAN",
} as const;

/**
 * A SELECT of the files' records with the columns of the present schema: a column that a file lacks is null, or what the
 * early values have; one of a type that was narrower is cast. The first member of each union is empty and says which
 * columns there are, and of which types at least; DuckDB reads those only that are asked for.
 */
export function evolvedFilesToSql(files: EvolvedFiles, parameters: SqlParameters): string {
  const { event, covered, straddling, early = [] } = files;
  const place = (path: string) => `$${parameters.values.push(path)}`;
  const read = (paths: readonly string[]) =>
    `SELECT * FROM read_parquet([${paths.map(place).join(", ")}], union_by_name = true)`;
  const shape = shapeToSql(event);
  const records = [
    shape,
    ...(covered.length > 0 ? [read(covered)] : []),
    ...straddling.map((file) => `${read([file.path])} WHERE ${straddlingSql(file, parameters)}`),
  ].join("\nUNION ALL BY NAME ");
  const names = Object.keys(envelope);
  if (early.length === 0) {
    return `SELECT ${[...names, ...event.fields.map(({ name }) => quoteIdentifier(name))].join(", ")} FROM (${records})`;
  }
  const columns = [
    ...names.map((name) => `_file.${name}`),
    ...event.fields.map(({ name }) => {
      const column = quoteIdentifier(name);
      return `coalesce(_file.${column}, _early.${column}) AS ${column}`;
    }),
  ];
  // A record may have values of fields of several schemas, in as many files.
  const values = event.fields.map(({ name }) => quoteIdentifier(name)).map((c) => `any_value(${c}) AS ${c}`);
  const earlyRows = `SELECT _partition, _offset, ${values.join(", ")} FROM (${shape}\nUNION ALL BY NAME ${read(early)}) GROUP BY 1, 2`;
  return `SELECT ${columns.join(", ")} FROM (${records}) AS _file
LEFT JOIN (${earlyRows}) AS _early
ON _file._partition = _early._partition AND _file._offset = _early._offset`;
}

/** The condition on `_offset` of the records that are read. */
export function straddlingSql({ from, next }: StraddlingFile, parameters: SqlParameters): string {
  const place = (value: Offset) => `CAST($${parameters.values.push(value)} AS BIGINT)`;
  const isBefore = `_offset < ${place(next)}`;
  return from === undefined ? isBefore : `_offset >= ${place(from)} AND ${isBefore}`;
}

function shapeToSql({ fields }: EventType): string {
  const columns = [
    ...Object.entries(envelope).map(([name, type]) => `CAST(NULL AS ${type}) AS ${name}`),
    ...fields.map((field) => `CAST(NULL AS ${columnType(field)}) AS ${quoteIdentifier(field.name)}`),
  ];
  return `SELECT ${columns.join(", ")} WHERE false`;
}
