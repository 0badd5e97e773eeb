import { unreachable } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";
import { type Cell, decodeCell, type EncodedCell, encodeCell, type StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";

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

/**
 * How a column's cells are packed: all small whole numbers, all doubles, doubles and nulls (a bitmap of what is null
 * goes first), or anything as JSON of encoded cells.
 */
const packing = { int8: 0, int16: 1, int32: 2, double: 3, nullableDouble: 4, json: 5 } as const;
type Packing = (typeof packing)[keyof typeof packing];

/** Of the column that is being packed: the numbers, 0 for null. A block's rows are counted in a byte. */
const numbers = new Float64Array(256);

/** Puts the column's cells into `numbers`, unless it is packed as JSON. */
function packingOf(rows: readonly StateRow[], column: number): Packing {
  let least = 0;
  let greatest = 0;
  let isWhole = true;
  let hasNull = false;
  for (let i = 0; i < rows.length; i++) {
    const cell = rows[i]?.cells[column] ?? null;
    if (cell === null) {
      hasNull = true;
      numbers[i] = 0;
      continue;
    }
    if (typeof cell !== "number") return packing.json;
    numbers[i] = cell;
    if (!Number.isInteger(cell) || Object.is(cell, -0)) isWhole = false;
    else if (cell < least) least = cell;
    else if (cell > greatest) greatest = cell;
  }
  if (hasNull) return packing.nullableDouble;
  if (!isWhole || least < -(2 ** 31) || greatest >= 2 ** 31) return packing.double;
  if (least < -(2 ** 15) || greatest >= 2 ** 15) return packing.int32;
  return least < -(2 ** 7) || greatest >= 2 ** 7 ? packing.int16 : packing.int8;
}

/** Where blocks are put together; one is as long as it has to be, and most are short. */
let scratch = Buffer.allocUnsafeSlow(1 << 16);
let scratchView = new DataView(scratch.buffer);

/** Room for so many bytes from `at` on; what is before stays. */
function room(at: number, bytes: number): DataView {
  if (at + bytes > scratch.length) {
    const larger = Buffer.allocUnsafeSlow(2 * (at + bytes));
    scratch.copy(larger, 0, 0, at);
    scratch = larger;
    scratchView = new DataView(scratch.buffer);
  }
  return scratchView;
}

/** Rows of one group, in order of pane, all within the block that starts at `blockStart`; none is a key without cells. */
export function encodeBlock(
  view: View,
  blockStart: number,
  dimensions: readonly Scalar[],
  rows: readonly StateRow[],
): Buffer {
  const widthMs = view.window?.window.widthMs ?? 1;
  const key = JSON.stringify(dimensions);
  const head = room(0, 5 + 3 * key.length + rows.length);
  const length = scratch.write(key, 5);
  head.setUint8(0, rows.length);
  head.setUint32(1, length, true);
  let at = 5 + length;
  for (const { pane } of rows) head.setUint8(at++, (pane - blockStart) / widthMs);
  if (rows.length > 0) for (let c = 0; c < view.columns.length; c++) at = encodeColumn(rows, c, at);
  return Buffer.from(scratch.subarray(0, at));
}

/** Puts the column at `at`, and gives where the next one goes. */
function encodeColumn(rows: readonly StateRow[], column: number, at: number): number {
  const kind = packingOf(rows, column);
  const count = rows.length;
  const data = room(at, 1 + Math.ceil(count / 8) + 8 * count);
  data.setUint8(at, kind);
  const start = at + 1;
  switch (kind) {
    case packing.int8:
      for (let i = 0; i < count; i++) data.setInt8(start + i, numbers[i] ?? 0);
      return start + count;
    case packing.int16:
      for (let i = 0; i < count; i++) data.setInt16(start + 2 * i, numbers[i] ?? 0, true);
      return start + 2 * count;
    case packing.int32:
      for (let i = 0; i < count; i++) data.setInt32(start + 4 * i, numbers[i] ?? 0, true);
      return start + 4 * count;
    case packing.double:
      for (let i = 0; i < count; i++) data.setFloat64(start + 8 * i, numbers[i] ?? 0, true);
      return start + 8 * count;
    case packing.nullableDouble: {
      const doubles = start + Math.ceil(count / 8);
      for (let byte = start; byte < doubles; byte++) data.setUint8(byte, 0);
      for (let i = 0; i < count; i++) {
        const byte = start + (i >> 3);
        if (rows[i]?.cells[column] === null) data.setUint8(byte, data.getUint8(byte) | (1 << (i & 7)));
        data.setFloat64(doubles + 8 * i, numbers[i] ?? 0, true);
      }
      return doubles + 8 * count;
    }
    case packing.json: {
      const text = JSON.stringify(rows.map(({ cells }) => encodeCell(cells[column] as Cell)));
      const json = room(start, 4 + 3 * text.length);
      const length = scratch.write(text, start + 4);
      json.setUint32(start, length, true);
      return start + 4 + length;
    }
    default:
      return unreachable(kind);
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
  const base = rows.length - first;
  let next = first;
  for (; next < count; next++) {
    const pane = blockStart + data.getUint8(slots + next) * widthMs;
    if (pane >= to) break;
    rows.push({ dimensions, pane, cells: new Array<Cell>(width) });
  }
  if (next === first) return;
  let at = slots + count;
  for (let c = 0; c < width; c++) at = decodeColumn(view, bytes, data, at, count, c, first, next, rows, base);
}

/** Puts the cells `[first, next)` of the column at `at` into `rows`, and gives where the next column is. */
function decodeColumn(
  view: View,
  bytes: Buffer,
  data: DataView,
  at: number,
  count: number,
  c: number,
  first: number,
  next: number,
  rows: StateRow[],
  base: number,
): number {
  const kind = data.getUint8(at) as Packing;
  const start = at + 1;
  switch (kind) {
    case packing.int8:
      for (let i = first; i < next; i++) put(rows, base + i, c, data.getInt8(start + i));
      return start + count;
    case packing.int16:
      for (let i = first; i < next; i++) put(rows, base + i, c, data.getInt16(start + 2 * i, true));
      return start + 2 * count;
    case packing.int32:
      for (let i = first; i < next; i++) put(rows, base + i, c, data.getInt32(start + 4 * i, true));
      return start + 4 * count;
    case packing.double:
      for (let i = first; i < next; i++) put(rows, base + i, c, data.getFloat64(start + 8 * i, true));
      return start + 8 * count;
    case packing.nullableDouble: {
      const doubles = start + Math.ceil(count / 8);
      for (let i = first; i < next; i++) {
        const isNull = (data.getUint8(start + (i >> 3)) & (1 << (i & 7))) !== 0;
        put(rows, base + i, c, isNull ? null : data.getFloat64(doubles + 8 * i, true));
      }
      return doubles + 8 * count;
    }
    case packing.json: {
      const length = data.getUint32(start, true);
      const cells = JSON.parse(bytes.toString("utf8", start + 4, start + 4 + length)) as EncodedCell[];
      const column = view.columns[c];
      for (let i = first; i < next; i++) {
        const cell = cells[i] ?? null;
        put(rows, base + i, c, column === undefined ? cell : decodeCell(column, cell));
      }
      return start + 4 + length;
    }
    default:
      return unreachable(kind);
  }
}

function put(rows: StateRow[], row: number, column: number, cell: Cell): void {
  const cells = rows[row]?.cells as Cell[] | undefined;
  if (cells !== undefined) cells[column] = cell;
}
