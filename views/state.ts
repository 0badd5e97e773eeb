import type { Scalar } from "./expression.ts";
import { type Integer, integer } from "./integer.ts";

/** One value of a state: what a state column holds for one group. */
export type Cell = number | bigint | string | boolean | null;

/**
 * A column of a state. `integer` is a whole number of any size, `float` a double; the others hold a field's own
 * values. `zero` is the identity of merge.
 */
export interface StateColumn {
  readonly name: string;
  readonly type: "integer" | "float";
  readonly zero: Cell;
}

/** One group's state in one pane: what DuckDB, the index and the tail all hold per key. */
export interface StateRow {
  readonly dimensions: readonly Scalar[];
  /** First millisecond of the pane; 0 in a view without a window. */
  readonly pane: number;
  /** Flat over `view.columns`. */
  readonly cells: readonly Cell[];
}

/** Changed whenever the meaning or the encoding of any state does; part of every fingerprint. */
export const stateFormat = 1;

/** What is stored and sent: JSON as it stands. An integer beyond ±(2^53 − 1) is its decimal text. */
export type EncodedCell = number | string | boolean | null;

export function encodeCell(cell: Cell): EncodedCell {
  return typeof cell === "bigint" ? cell.toString() : cell;
}

export function decodeCell(column: StateColumn, cell: EncodedCell): Cell {
  return column.type === "integer" && typeof cell === "string" ? integer(BigInt(cell)) : cell;
}

/** The canonical form of what DuckDB hands over for a state column: BIGINT and HUGEINT arrive as bigint. */
export function cellFromSql(column: StateColumn, value: number | bigint | null): Integer | null {
  return column.type === "integer" && typeof value === "bigint" ? integer(value) : (value as Integer | null);
}
