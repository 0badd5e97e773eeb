import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  DuckDBTimestampMillisecondsValue,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  LIST,
  listValue,
  TIMESTAMP_MS,
  VARCHAR,
} from "@duckdb/node-api";
import type { Offset } from "../../views/cut.ts";
import type { Event, EventType } from "../../views/event.ts";
import { type envelopeColumns, type Field, type FieldType, valueAt } from "../../views/field.ts";
import { type AppendedColumn, AppendedTable } from "../appended-table.ts";

/** A record on its way into the master dataset. */
export interface ArchivedRecord {
  readonly partition: number;
  readonly offset: Offset;
  readonly event: Event;
  readonly isDuplicate: boolean;
  /** The record's own text where it holds anything that no column does; else null. */
  readonly rest: string | null;
}

type Column = AppendedColumn<ArchivedRecord>;

/** DuckDB's default, which its readers split their work by. */
export const rowGroupRows = 122_880;

/**
 * Records of one event type, gathered in a temporary table and then written as one Parquet file of the master dataset,
 * in the order they came. There is one such table per connection.
 */
export class RecordTable {
  readonly #connection: DuckDBConnection;
  readonly #table: AppendedTable<ArchivedRecord>;

  private constructor(connection: DuckDBConnection, table: AppendedTable<ArchivedRecord>) {
    this.#connection = connection;
    this.#table = table;
  }

  /** Empties what an earlier table of the connection held. */
  static async create(connection: DuckDBConnection, type: EventType): Promise<RecordTable> {
    return new RecordTable(connection, await AppendedTable.create(connection, "records", columnsOf(type)));
  }

  append(record: ArchivedRecord): void {
    this.#table.append(record);
  }

  /** Writes all that was appended, then lets go of it. The file is not synced. */
  async writeParquet(path: string): Promise<void> {
    this.#table.close();
    // Insertion order is kept by DuckDB's default setting `preserve_insertion_order`.
    await this.#connection.run(
      `COPY (SELECT * FROM temp.main.records) TO $1 (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroupRows})`,
      [path],
    );
    await this.#connection.run("DROP TABLE temp.main.records");
  }
}

function columnsOf(type: EventType): readonly Column[] {
  const envelope: Readonly<Record<(typeof envelopeColumns)[number], Omit<Column, "name">>> = {
    _partition: { type: INTEGER, of: (record) => record.partition },
    _offset: { type: BIGINT, of: (record) => BigInt(record.offset) },
    _event_id: { type: VARCHAR, of: (record) => record.event.id },
    _event_source: { type: VARCHAR, of: (record) => record.event.source },
    _event_time: {
      type: TIMESTAMP_MS,
      of: (record) => new DuckDBTimestampMillisecondsValue(BigInt(record.event.time)),
    },
    _duplicate: { type: BOOLEAN, of: (record) => record.isDuplicate },
    _rest: { type: VARCHAR, of: (record) => record.rest },
  };
  return [
    ...Object.entries(envelope).map(([name, column]) => ({ name, ...column })),
    ...type.fields.map((field) => ({
      name: field.name,
      type: field.within === undefined ? columnTypes[field.type] : LIST(columnTypes[field.type]),
      of: fieldOf(field),
    })),
  ];
}

const columnTypes: Readonly<Record<FieldType, DuckDBType>> = {
  string: VARCHAR,
  integer: BIGINT,
  number: DOUBLE,
  boolean: BOOLEAN,
  time: TIMESTAMP_MS,
};

function fieldOf({ path, type, within }: Field): Column["of"] {
  const toColumn = within === undefined ? columnValue[type] : listOf(within.path, columnValue[type]);
  return ({ event: { data } }) => {
    const value = valueAt(data, path);
    return value === undefined ? null : toColumn(value);
  };
}

/** Of each element what stands there in it, or null. */
function listOf(path: readonly string[], toColumn: (value: unknown) => DuckDBValue) {
  return (list: unknown) =>
    listValue(
      (list as readonly unknown[]).map((element) => {
        const value = valueAt(element, path);
        return value === undefined ? null : toColumn(value);
      }),
    );
}

/** Adding 0 makes -0 into 0, which is also what the fold sees. */
const columnValue: Readonly<Record<FieldType, (value: unknown) => DuckDBValue>> = {
  string: (value) => value as string,
  integer: (value) => BigInt(value as number),
  number: (value) => (value as number) + 0,
  boolean: (value) => value as boolean,
  time: (value) => new DuckDBTimestampMillisecondsValue(BigInt(value as number)),
};
