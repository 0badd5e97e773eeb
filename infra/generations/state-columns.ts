import type { DuckDBDataChunk } from "@duckdb/node-api";
import { unreachable } from "../../views/errors.ts";
import { quoteIdentifier, type Scalar } from "../../views/expression.ts";
import {
  type Cell,
  cellFromSql,
  decodeCell,
  type SketchColumn,
  type StateColumn,
} from "../../views/state.ts";
import type { Dimension } from "../../views/view.ts";

/** Reads one thing of row `i` of a chunk. */
export type Read<T> = (i: number) => T;

/** Gives the SQL of a column of the result in hand, and reads it from a chunk of that result. */
export interface ResultColumn<T> {
  readonly sql: readonly string[];
  bind(chunk: DuckDBDataChunk, at: number): Read<T>;
}

/** Columns of a generation's states, read as the layers hold them: dimensions, floats such as the pane, and cells. */
export function dimensionColumn({ name, type }: Dimension): ResultColumn<Scalar> {
  return type === "integer" ? floatColumn(name) : plainColumn(quoteIdentifier(name));
}

export function stateColumn(column: StateColumn): ResultColumn<Cell> {
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

/** Binds columns of one result, one after the other, in the order in which their SQL stands in it. */
export function binder(chunk: DuckDBDataChunk): <T>(column: ResultColumn<T>) => Read<T> {
  let at = 0;
  return (column) => {
    const read = column.bind(chunk, at);
    at += column.sql.length;
    return read;
  };
}

/** Read as doubles: exact for safe integers, and a BigInt per value costs twice the whole rest. */
export function floatColumn(name: string): ResultColumn<number | null> {
  return plainColumn(`CAST(${quoteIdentifier(name)} AS DOUBLE)`);
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
