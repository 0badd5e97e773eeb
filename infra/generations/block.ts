import type { Scalar } from "../../views/expression.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { decodeColumn, encodeColumn, firstBytes, room, writeText } from "./column-packing.ts";

/**
 * What the index stores under one key: up to 64 consecutive panes of one group, by columns. Blocks are aligned in time,
 * so that a narrow range of a group is one or two reads.
 *
 * Bytes, little-endian: number of rows (1), length of the dimensions (4), the dimensions as JSON, per row its slot in
 * the block (1), then per column a packing (1) and the cells in it.
 */

const panesPerBlock = 64;

/** Milliseconds that a block spans; 0 where there is no window and the one pane is the block. */
export function blockMsOf(view: View): number {
  return view.window === undefined ? 0 : view.window.window.widthMs * panesPerBlock;
}

/** First millisecond of the block that holds the pane. */
export function blockStartOf(blockMs: number, pane: number): number {
  return blockMs === 0 ? 0 : Math.floor(pane / blockMs) * blockMs;
}

/** The rows of one key of the index: of one group, in order of pane, each pane once. */
export class Block {
  readonly start: number;
  readonly #widthMs: number;
  /** By row, the place of its pane in the block. */
  readonly #slots: number[] = [];
  readonly #columns: readonly Cell[][];

  constructor(view: View, start: number) {
    this.start = start;
    this.#widthMs = view.window?.window.widthMs ?? 1;
    this.#columns = view.columns.map(() => []);
  }

  /** What `encode` gave; the bytes need not outlive the call. */
  static decode(view: View, start: number, bytes: Buffer): Block {
    const block = new Block(view, start);
    const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const count = data.getUint8(0);
    let at = 5 + data.getUint32(1, true);
    for (let i = 0; i < count; i++) block.#slots.push(data.getUint8(at++));
    if (count === 0) return block;
    block.#columns.forEach((cells, c) => {
      at = decodeColumn(view.columns[c], bytes, data, at, count, 0, count, cells);
    });
    return block;
  }

  /** Undefined where there is no row of the pane. */
  cellsAt(pane: number): readonly Cell[] | undefined {
    const row = this.#rowAt(this.#slotOf(pane));
    return row < 0 ? undefined : this.#columns.map((cells) => cells[row] ?? null);
  }

  /** A row takes the place of that of its pane; true if there was none. */
  put(pane: number, row: readonly Cell[]): boolean {
    const slot = this.#slotOf(pane);
    const at = this.#rowAt(slot);
    const columns = this.#columns;
    if (at >= 0) {
      columns.forEach((cells, c) => {
        cells[at] = row[c] ?? null;
      });
      return false;
    }
    const place = ~at;
    if (place === this.#slots.length) {
      this.#slots.push(slot);
      for (let c = 0; c < columns.length; c++) columns[c]?.push(row[c] ?? null);
    } else {
      this.#slots.splice(place, 0, slot);
      for (let c = 0; c < columns.length; c++) columns[c]?.splice(place, 0, row[c] ?? null);
    }
    return true;
  }

  encode(dimensions: readonly Scalar[]): Buffer {
    const key = JSON.stringify(dimensions);
    const slots = this.#slots;
    const head = room(0, 5 + 3 * key.length + slots.length);
    const length = writeText(key, 5);
    head.setUint8(0, slots.length);
    head.setUint32(1, length, true);
    let at = 5 + length;
    for (const slot of slots) head.setUint8(at++, slot);
    if (slots.length > 0) for (const cells of this.#columns) at = encodeColumn(cells, at);
    return firstBytes(at);
  }

  #slotOf(pane: number): number {
    return (pane - this.start) / this.#widthMs;
  }

  /** The row of the slot; of one that has none, the complement of where it would go. */
  #rowAt(slot: number): number {
    const slots = this.#slots;
    let [low, high] = [0, slots.length];
    // Rows come in order mostly.
    if (high === 0 || (slots[high - 1] ?? 0) < slot) return ~high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((slots[middle] ?? 0) < slot) low = middle + 1;
      else high = middle;
    }
    return slots[low] === slot ? low : ~low;
  }
}

/** The dimensions that the block is of. */
export function decodeDimensions(bytes: Buffer): readonly Scalar[] {
  return JSON.parse(bytes.toString("utf8", 5, 5 + bytes.readUInt32LE(1)));
}

/**
 * Appends the block's rows with `from ≤ pane < to` to `rows`. The hot path of every query: reads straight from the
 * bytes, which need not outlive the call.
 */
export function decodeRows(
  view: View,
  bytes: Buffer,
  blockStart: number,
  dimensions: readonly Scalar[],
  from: number,
  to: number,
  rows: StateRow[],
): void {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = data.getUint8(0);
  const slots = 5 + data.getUint32(1, true);
  const widthMs = view.window?.window.widthMs ?? 1;
  let first = 0;
  while (first < count && blockStart + data.getUint8(slots + first) * widthMs < from) first++;
  const width = view.columns.length;
  const base = rows.length;
  let next = first;
  for (; next < count; next++) {
    const pane = blockStart + data.getUint8(slots + next) * widthMs;
    if (pane >= to) break;
    rows.push({ dimensions, pane, cells: new Array<Cell>(width) });
  }
  if (next === first) return;
  let at = slots + count;
  for (let c = 0; c < width; c++) {
    at = decodeColumn(view.columns[c], bytes, data, at, count, first, next, column);
    for (let i = 0; i < next - first; i++) put(rows, base + i, c, column[i] ?? null);
  }
}

/** Of the column that is being read. */
const column: Cell[] = [];

function put(rows: StateRow[], row: number, column: number, cell: Cell): void {
  const cells = rows[row]?.cells as Cell[] | undefined;
  if (cells !== undefined) cells[column] = cell;
}
