import type { Scalar } from "./expression.ts";
import { type Integer, integer } from "./integer.ts";

/** One value of a state: what a state column holds for one group. */
export type Cell = number | bigint | string | boolean | null | Sketch;

/**
 * A cell that grows in place. It belongs to one row: whoever keeps another's row copies it with `copyState`, and `merge`
 * never lets two rows share one. An empty one is null, so that null is the identity of merge.
 */
export interface Sketch {
  copy(): Sketch;
  /** Takes in another of the same column, which stays as it is. */
  merge(other: Sketch): void;
  /** Canonical: equal for two sketches exactly if their states are. */
  encode(): string;
}

/** A column whose cells are values. `integer` is a whole number of any size, `float` a double. */
export interface PlainColumn {
  readonly name: string;
  readonly type: "integer" | "float" | "string" | "boolean";
  /** The identity of merge. */
  readonly zero: Exclude<Cell, Sketch>;
  /** What the cells mean, where name and type don't say it: part of the fingerprint. */
  readonly format?: string;
}

/** A column whose cells are sketches. In SQL it is the text that `decode` reads, or NULL. */
export interface SketchColumn {
  readonly name: string;
  readonly type: "sketch";
  readonly zero: null;
  /** Kind and parameters of the sketch: part of the fingerprint. */
  readonly format: string;
  /** Reads what `encode` writes, and what DuckDB makes: that may be another text of the same state. */
  decode(text: string): Sketch;
}

export type StateColumn = PlainColumn | SketchColumn;

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
  if (typeof cell === "bigint") return cell.toString();
  return isSketch(cell) ? cell.encode() : cell;
}

export function decodeCell(column: StateColumn, cell: EncodedCell): Cell {
  if (typeof cell !== "string") return cell;
  if (column.type === "sketch") return column.decode(cell);
  return column.type === "integer" ? integer(BigInt(cell)) : cell;
}

/** The canonical form of what DuckDB hands over for a state column: BIGINT and HUGEINT arrive as bigint. */
export function cellFromSql(column: StateColumn, value: number | bigint | null): Integer | null {
  return column.type === "integer" && typeof value === "bigint" ? integer(value) : (value as Integer | null);
}

/** Whether two cells are of one state, bit for bit. */
export function isSameCell(a: Cell, b: Cell): boolean {
  return a === b || (isSketch(a) && isSketch(b) && a.encode() === b.encode());
}

export function isSketch(cell: Cell): cell is Sketch {
  return typeof cell === "object" && cell !== null;
}

/** Merges the sketch `b[j]` into `a[i]`. */
export function mergeSketches(a: Cell[], i: number, b: readonly Cell[], j: number): void {
  const other = b[j] as Sketch | null;
  if (other === null) return;
  const mine = a[i] as Sketch | null;
  if (mine === null) a[i] = other.copy();
  else mine.merge(other);
}

/** A cell of one's own. */
export function copyCell(cell: Cell): Cell {
  return isSketch(cell) ? cell.copy() : cell;
}
