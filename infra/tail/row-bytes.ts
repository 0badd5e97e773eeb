import type { Scalar } from "../../views/expression.ts";
import { hashOfBytes } from "../../views/hash.ts";
import { type Cell, decodeCell, encodeCell, type StateColumn } from "../../views/state.ts";

/**
 * Rows of a segment as bytes that one thread hands over to another, which keeps them as they are. Little-endian, row after row:
 * length of the whole row (4), its place in the segment (4), where its cells begin (4), its key: the pane (8) and the
 * dimensions, and its cells, as `encodeCell` has them.
 *
 * A value is its kind (1) and what that takes: nothing, a whole number (4), a double (8), or a text of UTF-16 units, their number
 * (4) and a byte or two for each. Equal dimensions are equal bytes: no expression gives -0.
 */

const kinds = { null: 0, false: 1, true: 2, int32: 3, double: 4, latin1: 5, utf16: 6 } as const;

/** Where in a row its parts begin. */
export const rowLayout = { place: 4, cells: 8, key: 12, dimensions: 20 } as const;

/** Appends to memory of its own, which grows. */
export class RowWriter {
  #bytes = new Uint8Array(1 << 16);
  #data = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(place: number, pane: number, dimensions: readonly Scalar[], cells: readonly Cell[]): void {
    const start = this.#length;
    this.#reserve(start, rowLayout.dimensions);
    let at = this.#addDimensions(start + rowLayout.dimensions, dimensions);
    const cellsAt = at - start;
    for (let i = 0; i < cells.length; i++) at = this.#addValue(at, encodeCell(cells[i] as Cell));
    const data = this.#data;
    data.setUint32(start, at - start, true);
    data.setUint32(start + rowLayout.place, place, true);
    data.setUint32(start + rowLayout.cells, cellsAt, true);
    data.setFloat64(start + rowLayout.key, pane, true);
    this.#length = at;
  }

  addDimensions(dimensions: readonly Scalar[]): void {
    this.#length = this.#addDimensions(this.#length, dimensions);
  }

  /** All that was added since the last time, in memory of its own, which can be moved to another thread. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  #addDimensions(at: number, dimensions: readonly Scalar[]): number {
    for (let i = 0; i < dimensions.length; i++) at = this.#addValue(at, dimensions[i] as Scalar);
    return at;
  }

  /** Gives where the next one goes. */
  #addValue(at: number, value: Scalar): number {
    if (typeof value === "string") return this.#addText(at, value);
    this.#reserve(at, 9);
    const data = this.#data;
    if (typeof value !== "number") {
      data.setUint8(at, value === null ? kinds.null : value ? kinds.true : kinds.false);
      return at + 1;
    }
    if ((value | 0) === value) {
      data.setUint8(at, kinds.int32);
      data.setInt32(at + 1, value, true);
      return at + 5;
    }
    data.setUint8(at, kinds.double);
    data.setFloat64(at + 1, value, true);
    return at + 9;
  }

  #addText(at: number, text: string): number {
    const units = text.length;
    this.#reserve(at, 5 + 2 * units);
    const data = this.#data;
    const bytes = this.#bytes;
    const start = at + 5;
    data.setUint32(at + 1, units, true);
    data.setUint8(at, kinds.latin1);
    for (let i = 0; i < units; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0xff) return this.#addWide(at, text);
      bytes[start + i] = unit;
    }
    return start + units;
  }

  #addWide(at: number, text: string): number {
    const data = this.#data;
    const start = at + 5;
    data.setUint8(at, kinds.utf16);
    for (let i = 0; i < text.length; i++) data.setUint16(start + 2 * i, text.charCodeAt(i), true);
    return start + 2 * text.length;
  }

  #reserve(at: number, bytes: number): void {
    if (at + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (at + bytes));
    larger.set(this.#bytes.subarray(0, at));
    this.#bytes = larger;
    this.#data = new DataView(larger.buffer);
  }
}

/** Dimensions as they lie in rows, and the hash of these bytes. */
export function hashedDimensions(dimensions: readonly Scalar[]): {
  readonly bytes: Uint8Array;
  readonly hash: number;
} {
  writer.addDimensions(dimensions);
  const bytes = writer.take();
  return { bytes, hash: hashOfBytes(bytes, 0, bytes.length) };
}

const writer = new RowWriter();

/** Memory in which rows lie. */
export interface RowMemory {
  readonly bytes: Buffer;
  readonly data: DataView;
}

/** The dimensions of the row that begins there. */
export function dimensionsOf({ bytes, data }: RowMemory, row: number, count: number): readonly Scalar[] {
  const values: Scalar[] = new Array(count);
  readValues(bytes, data, row + rowLayout.dimensions, values);
  return values;
}

/** The cells of the row that begins there: they are the caller's own. */
export function cellsOf({ bytes, data }: RowMemory, row: number, columns: readonly StateColumn[]): Cell[] {
  const cells: Cell[] = new Array(columns.length);
  readValues(bytes, data, row + data.getUint32(row + rowLayout.cells, true), cells as Scalar[]);
  for (let i = 0; i < cells.length; i++) {
    const cell = cells[i];
    if (typeof cell === "string") cells[i] = decodeCell(columns[i] as StateColumn, cell);
  }
  return cells;
}

/** As many as `values` has room for. */
function readValues(bytes: Buffer, data: DataView, at: number, values: Scalar[]): void {
  for (let i = 0; i < values.length; i++) {
    const kind = data.getUint8(at++);
    switch (kind) {
      case kinds.int32:
        values[i] = data.getInt32(at, true);
        at += 4;
        break;
      case kinds.double:
        values[i] = data.getFloat64(at, true);
        at += 8;
        break;
      case kinds.latin1:
      case kinds.utf16: {
        const start = at + 4;
        const units = data.getUint32(at, true);
        at = start + (kind === kinds.latin1 ? units : 2 * units);
        values[i] = bytes.toString(kind === kinds.latin1 ? "latin1" : "utf16le", start, at);
        break;
      }
      default:
        values[i] = kind === kinds.null ? null : kind === kinds.true;
    }
  }
}
