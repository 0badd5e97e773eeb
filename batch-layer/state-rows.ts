import type { DuckDBConnection, DuckDBDataChunk } from "@duckdb/node-api";
import { unreachable } from "../views/errors.ts";
import { quoteIdentifier, type Scalar } from "../views/expression.ts";
import {
  type Cell,
  cellFromSql,
  decodeCell,
  type SketchColumn,
  type StateColumn,
  type StateRow,
} from "../views/state.ts";
import type { Dimension, View } from "../views/view.ts";
import { slackColumn } from "./slack.ts";
import { paneColumn } from "./sql.ts";
import { StorageOrder } from "./storage-order.ts";

/** A row of the batch answer. `slack`: by the view's columns, how far a float may lie off; 0 where states are exact. */
export interface BatchRow extends StateRow {
  readonly slack: readonly number[];
}

/** Reads one thing of row `i` of a chunk. */
type Read<T> = (i: number) => T;

/** Gives the SQL of a column of the result in hand, and reads it from a chunk of that result. */
interface ResultColumn<T> {
  readonly sql: readonly string[];
  bind(chunk: DuckDBDataChunk, at: number): Read<T>;
}

/**
 * The rows of a Parquet file of states that `compileSql` computed, a chunk at a time, in order of `storageKey`, then pane.
 * Rows of one group that follow each other share one `dimensions`.
 */
export async function* readStateRows(
  connection: DuckDBConnection,
  view: View,
  statesPath: string,
): AsyncGenerator<readonly BatchRow[], void, undefined> {
  const columns = resultColumns(view);
  const { dimensions, pane, cells, slack } = columns;
  const sql = [...dimensions, pane, ...cells, ...slack].flatMap((column) => column.sql);
  const result = await connection.stream(`SELECT ${sql.join(", ")} FROM read_parquet($1)`, [statesPath]);
  const order = new StorageOrder<BatchRow>(view);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) break;
    yield order.next(rowsOf(columns, chunk));
  }
  yield order.rest();
}

type ResultColumns = ReturnType<typeof resultColumns>;

function resultColumns(view: View) {
  return {
    dimensions: view.dimensions.map(dimensionColumn),
    pane: floatColumn(paneColumn),
    cells: view.columns.map(stateColumn),
    slack: view.measures.flatMap((measure) =>
      measure.aggregate.state.map((state) => {
        const name = slackColumn(measure, state);
        return name === undefined ? noSlack : floatColumn(name);
      }),
    ),
  };
}

function rowsOf(columns: ResultColumns, chunk: DuckDBDataChunk): BatchRow[] {
  let at = 0;
  const bind = <T>(column: ResultColumn<T>): Read<T> => {
    const read = column.bind(chunk, at);
    at += column.sql.length;
    return read;
  };
  const dimensionReads = columns.dimensions.map(bind<Scalar>);
  const paneRead = bind(columns.pane);
  const cellReads = columns.cells.map(bind<Cell>);
  const slackReads = columns.slack.map(bind<number | null>);
  const rows: BatchRow[] = [];
  let dimensions: readonly Scalar[] = [];
  for (let i = 0; i < chunk.rowCount; i++) {
    if (i === 0 || dimensionReads.some((read, d) => read(i) !== dimensions[d])) {
      dimensions = dimensionReads.map((read) => read(i));
    }
    rows.push({
      dimensions,
      pane: paneRead(i) ?? 0,
      cells: cellReads.map((read) => read(i)),
      slack: slackReads.map((read) => read(i) ?? 0),
    });
  }
  return rows;
}

function dimensionColumn({ name, type }: Dimension): ResultColumn<Scalar> {
  return type === "integer" ? floatColumn(name) : plainColumn(quoteIdentifier(name));
}

function stateColumn(column: StateColumn): ResultColumn<Cell> {
  switch (column.type) {
    case "integer":
      return integerColumn(column);
    case "float":
      return floatColumn(column.name);
    case "string":
    case "boolean":
      return plainColumn(quoteIdentifier(column.name));
    case "sketch":
      return sketchColumn(column);
    default:
      return unreachable(column);
  }
}

function sketchColumn(column: SketchColumn): ResultColumn<Cell> {
  const text = plainColumn<string | null>(quoteIdentifier(column.name));
  return {
    sql: text.sql,
    bind: (chunk, at) => {
      const read = text.bind(chunk, at);
      return (i) => decodeCell(column, read(i));
    },
  };
}

/** Read as doubles: exact for safe integers, and a BigInt per value costs twice the whole rest. */
function floatColumn(name: string): ResultColumn<number | null> {
  return plainColumn(`CAST(${quoteIdentifier(name)} AS DOUBLE)`);
}

/** A column whose vector gives what is wanted as it stands. */
function plainColumn<T extends Scalar>(sql: string): ResultColumn<T> {
  return {
    sql: [sql],
    bind: (chunk, at) => {
      const vector = chunk.getColumnVector(at);
      return (i) => vector.getItem(i) as T;
    },
  };
}

/** BIGINT or DECIMAL(38, 0): a double while that is exact, beside it the whole number where it is not. */
function integerColumn(column: StateColumn): ResultColumn<Cell> {
  const name = quoteIdentifier(column.name);
  const safe = `${name} BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER}`;
  return {
    sql: [`CAST(${name} AS DOUBLE)`, `CASE WHEN NOT (${safe}) THEN CAST(${name} AS HUGEINT) END`],
    bind: (chunk, at) => {
      const doubles = chunk.getColumnVector(at);
      return (i) => {
        const value = doubles.getItem(i) as number | null;
        if (value === null || Number.isSafeInteger(value)) return value;
        // Vectors are made on demand: that of the whole numbers only where a chunk has one of such size.
        return cellFromSql(column, chunk.getColumnVector(at + 1).getItem(i) as bigint);
      };
    },
  };
}

const noSlack: ResultColumn<number | null> = { sql: [], bind: () => () => 0 };
