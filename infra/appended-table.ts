import {
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBType,
  type DuckDBValue,
} from "@duckdb/node-api";
import { quoteIdentifier } from "../views/expression.ts";

export interface AppendedColumn<Row> {
  readonly name: string;
  readonly type: DuckDBType;
  readonly of: (row: Row) => DuckDBValue;
}

/** What one append takes: DuckDB's own vector size. */
const chunkRows = 2_048;

/** A temporary table of a connection, filled a chunk at a time in the order that rows come. It replaces one of its name. */
export class AppendedTable<Row> {
  readonly #columns: readonly AppendedColumn<Row>[];
  readonly #appender: DuckDBAppender;
  readonly #chunk: DuckDBDataChunk;
  #pending: Row[] = [];

  private constructor(columns: readonly AppendedColumn<Row>[], appender: DuckDBAppender) {
    this.#columns = columns;
    this.#appender = appender;
    this.#chunk = DuckDBDataChunk.create(columns.map(({ type }) => type));
  }

  static async create<Row>(
    connection: DuckDBConnection,
    name: string,
    columns: readonly AppendedColumn<Row>[],
  ): Promise<AppendedTable<Row>> {
    const list = columns.map((column) => `${quoteIdentifier(column.name)} ${column.type}`);
    await connection.run(`CREATE OR REPLACE TEMP TABLE ${quoteIdentifier(name)} (${list.join(", ")})`);
    return new AppendedTable(columns, await connection.createAppender(name, "main", "temp"));
  }

  append(row: Row): void {
    this.#pending.push(row);
    if (this.#pending.length === chunkRows) this.#appendChunk();
  }

  /** All that was appended is in the table from now on. */
  close(): void {
    if (this.#pending.length > 0) this.#appendChunk();
    this.#appender.closeSync();
  }

  #appendChunk(): void {
    const rows = this.#pending;
    this.#pending = [];
    this.#chunk.reset();
    this.#chunk.rowCount = rows.length;
    this.#columns.forEach((column, c) => {
      const vector = this.#chunk.getColumnVector(c);
      rows.forEach((row, i) => {
        vector.setItem(i, column.of(row));
      });
      vector.flush();
    });
    this.#appender.appendDataChunk(this.#chunk);
  }
}
