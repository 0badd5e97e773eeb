import { unreachable } from "../../views/errors.ts";
import { type Cell, decodeCell, type EncodedCell, encodeCell, type StateColumn } from "../../views/state.ts";

/**
 * How a column's cells are packed: all small whole numbers, all doubles, doubles and nulls (a bitmap of what is null
 * goes first), or anything as JSON of encoded cells.
 */
const packing = { int8: 0, int16: 1, int32: 2, double: 3, nullableDouble: 4, json: 5 } as const;
type Packing = (typeof packing)[keyof typeof packing];

/** Of the column that is being packed: the numbers, 0 for null. A block's rows are counted in a byte. */
const numbers = new Float64Array(256);

/** Puts the column's cells into `numbers`, unless it is packed as JSON. */
function packingOf(cells: readonly Cell[]): Packing {
  let least = 0;
  let greatest = 0;
  let isWhole = true;
  let hasNull = false;
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i] ?? null;
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

/** Where the bytes of a block are put together; one is as long as it has to be, and most are short. */
let scratch = Buffer.allocUnsafeSlow(1 << 16);
let scratchView = new DataView(scratch.buffer);

/** Room for so many bytes from `at` on; what is before stays. */
export function room(at: number, bytes: number): DataView {
  if (at + bytes > scratch.length) {
    const larger = Buffer.allocUnsafeSlow(2 * (at + bytes));
    scratch.copy(larger, 0, 0, at);
    scratch = larger;
    scratchView = new DataView(scratch.buffer);
  }
  return scratchView;
}

/** Gives how many bytes the text takes there; room has been made. */
export function writeText(text: string, at: number): number {
  return scratch.write(text, at);
}

export function firstBytes(count: number): Buffer {
  return Buffer.from(scratch.subarray(0, count));
}

/** Puts the column at `at`, and gives where the next one goes. */
export function encodeColumn(cells: readonly Cell[], at: number): number {
  const kind = packingOf(cells);
  const count = cells.length;
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
        if (cells[i] === null) data.setUint8(byte, data.getUint8(byte) | (1 << (i & 7)));
        data.setFloat64(doubles + 8 * i, numbers[i] ?? 0, true);
      }
      return doubles + 8 * count;
    }
    case packing.json: {
      const text = JSON.stringify(cells.map(encodeCell));
      const json = room(start, 4 + 3 * text.length);
      const length = writeText(text, start + 4);
      json.setUint32(start, length, true);
      return start + 4 + length;
    }
    default:
      return unreachable(kind);
  }
}

/** Puts the cells `[first, next)` of the column at `at` into `cells`, from 0 on, and gives where the next column is. */
export function decodeColumn(
  type: StateColumn | undefined,
  bytes: Buffer,
  data: DataView,
  at: number,
  count: number,
  first: number,
  next: number,
  cells: Cell[],
): number {
  const kind = data.getUint8(at) as Packing;
  const start = at + 1;
  switch (kind) {
    case packing.int8:
      for (let i = first; i < next; i++) cells[i - first] = data.getInt8(start + i);
      return start + count;
    case packing.int16:
      for (let i = first; i < next; i++) cells[i - first] = data.getInt16(start + 2 * i, true);
      return start + 2 * count;
    case packing.int32:
      for (let i = first; i < next; i++) cells[i - first] = data.getInt32(start + 4 * i, true);
      return start + 4 * count;
    case packing.double:
      for (let i = first; i < next; i++) cells[i - first] = data.getFloat64(start + 8 * i, true);
      return start + 8 * count;
    case packing.nullableDouble: {
      const doubles = start + Math.ceil(count / 8);
      for (let i = first; i < next; i++) {
        const isNull = (data.getUint8(start + (i >> 3)) & (1 << (i & 7))) !== 0;
        cells[i - first] = isNull ? null : data.getFloat64(doubles + 8 * i, true);
      }
      return doubles + 8 * count;
    }
    case packing.json: {
      const length = data.getUint32(start, true);
      const encoded = JSON.parse(bytes.toString("utf8", start + 4, start + 4 + length)) as EncodedCell[];
      for (let i = first; i < next; i++) {
        const cell = encoded[i] ?? null;
        cells[i - first] = type === undefined ? cell : decodeCell(type, cell);
      }
      return start + 4 + length;
    }
    default:
      return unreachable(kind);
  }
}
