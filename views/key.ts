import type { Scalar } from "./expression.ts";
import type { Dimension } from "./view.ts";

/**
 * The keys of a view's rows, in two forms. `groupKey` is a text that tells groups apart, for maps in memory.
 * `encodeKey` is bytes whose order is DuckDB's `ORDER BY dimension… NULLS FIRST`, for stores and merge joins.
 */

/** Text that is equal for two lists of values exactly if the values are; all lists are of the same dimensions. */
export function groupKey(dimensions: readonly Dimension[], values: readonly Scalar[]): string {
  if (isPlainKey(dimensions)) return values[0] as string;
  let key = "";
  for (const value of values) key += keyPart(value);
  return key;
}

/** A single string that is never null is its own key. */
function isPlainKey(dimensions: readonly Dimension[]): boolean {
  const [only, second] = dimensions;
  return second === undefined && only?.type === "string" && !only.nullable;
}

function keyPart(value: Scalar): string {
  if (typeof value === "string") return `${value.length}:${value}`;
  return value === null ? "~" : `${value};`;
}

/** The same as `groupKey`, as JavaScript over the texts of the dimensions' values. */
export function groupKeyToJs(dimensions: readonly Dimension[], values: readonly string[]): string {
  if (dimensions.length === 0) return '""';
  if (isPlainKey(dimensions)) return `${values[0]}`;
  const parts = dimensions.map((dimension, i) => {
    const value = values[i];
    const part = dimension.type === "string" ? `${value}.length + ":" + ${value}` : `${value} + ";"`;
    return dimension.nullable ? `(${value} === null ? "~" : ${part})` : part;
  });
  return parts.join(" + ");
}

const encoder = new TextEncoder();
const int64SignBit = 1n << 63n;

/** Longest `encodeKey`, in bytes, of which whole keys are made; LMDB takes keys up to 1,978 bytes. */
export const maxKeyBytes = 1_900;

/**
 * Order-preserving bytes. Per value: 0x00 for null, else 0x01 and then: a string as UTF-8 with 0x00 as 0x00 0xFF, ended by
 * 0x00 0x00; an integer as 8 bytes big-endian with the sign bit flipped; a boolean as one byte.
 */
export function encodeKey(values: readonly Scalar[]): Uint8Array {
  const bytes: number[] = [];
  for (const value of values) {
    if (value === null) {
      bytes.push(0);
      continue;
    }
    bytes.push(1);
    if (typeof value === "string") pushString(bytes, value);
    else if (typeof value === "boolean") bytes.push(value ? 1 : 0);
    else bytes.push(...encodeInteger(value));
  }
  return Uint8Array.from(bytes);
}

function pushString(bytes: number[], text: string): void {
  for (const byte of encoder.encode(text)) {
    bytes.push(byte);
    if (byte === 0) bytes.push(0xff);
  }
  bytes.push(0, 0);
}

/** 8 bytes, big-endian, sign bit flipped: byte order is numeric order. Also how a pane follows a key. */
export function encodeInteger(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)) ^ int64SignBit);
  return bytes;
}
