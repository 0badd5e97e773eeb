import { createHash } from "node:crypto";
import type { Scalar } from "./expression.ts";
import type { Dimension } from "./view.ts";

/**
 * The keys of a view's rows, in two forms. `groupKey` is a text that tells groups apart, for maps in memory.
 * `encodeKey` is bytes whose order is DuckDB's `ORDER BY dimension… NULLS FIRST`, for stores and merge joins.
 */

/** What a key's text depends on. */
type KeyColumn = Pick<Dimension, "type" | "nullable">;

/** Text that is equal for two lists of values exactly if the values are; all lists are of the same dimensions. */
export function groupKey(dimensions: readonly KeyColumn[], values: readonly Scalar[]): string {
  let key = "";
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as Scalar;
    key += endsKey(dimensions, i) ? value : keyPart(value);
  }
  return key;
}

/** A string that is never null and behind which nothing follows is a part as it is: every text that is made costs the fold. */
function endsKey(dimensions: readonly KeyColumn[], i: number): boolean {
  const dimension = dimensions[i];
  return i === dimensions.length - 1 && dimension?.type === "string" && !dimension.nullable;
}

function keyPart(value: Scalar): string {
  if (typeof value === "string") return `${value.length}:${value}`;
  return value === null ? "~" : `${value};`;
}

/** The same as `groupKey`, as JavaScript over the texts of the dimensions' values. */
export function groupKeyToJs(dimensions: readonly KeyColumn[], values: readonly string[]): string {
  if (dimensions.length === 0) return '""';
  const parts = dimensions.map((dimension, i) => {
    const value = values[i] ?? "";
    if (endsKey(dimensions, i)) return value;
    const part = dimension.type === "string" ? `${value}.length + ":" + ${value}` : `${value} + ";"`;
    return dimension.nullable ? `(${value} === null ? "~" : ${part})` : part;
  });
  return parts.join(" + ");
}

const encoder = new TextEncoder();
const int32SignBit = 1 << 31;

/**
 * Order-preserving bytes. Per value: 0x00 for null, else 0x01 and then: a string as UTF-8 with 0x00 as 0x00 0xFF, ended by
 * 0x00 0x00; an integer as 8 bytes big-endian with the sign bit flipped; a boolean as one byte.
 */
export function encodeKey(values: readonly Scalar[]): Uint8Array {
  let capacity = 0;
  for (const value of values) capacity += typeof value === "string" ? 3 * value.length + 3 : 9;
  const bytes = new Uint8Array(capacity);
  let at = 0;
  for (const value of values) {
    if (value === null) {
      at++;
      continue;
    }
    bytes[at++] = 1;
    if (typeof value === "string") at = putString(bytes, at, value);
    else if (typeof value === "boolean") bytes[at++] = value ? 1 : 0;
    else {
      writeInteger(new DataView(bytes.buffer), at, value);
      at += 8;
    }
  }
  return bytes.subarray(0, at);
}

/** Gives where the string's bytes end; `bytes` has room for three per UTF-16 unit, and the zeros at its end. */
function putString(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Anything but plain ASCII is for the encoder, from the beginning.
    if (unit === 0 || unit > 0x7f) return putEncoded(bytes, at, text);
    bytes[at + i] = unit;
  }
  return at + text.length + 2;
}

function putEncoded(bytes: Uint8Array, at: number, text: string): number {
  for (const byte of encoder.encode(text)) {
    bytes[at++] = byte;
    if (byte === 0) bytes[at++] = 0xff;
  }
  bytes[at++] = 0;
  bytes[at++] = 0;
  return at;
}

/** 8 bytes, big-endian, sign bit flipped: byte order is numeric order. Also how a pane follows a key. */
export function encodeInteger(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  writeInteger(new DataView(bytes.buffer), 0, value);
  return bytes;
}

/** Writes what `encodeInteger` gives, of a safe integer; in two halves, since a BigInt costs ten times as much. */
export function writeInteger(bytes: DataView, at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  bytes.setInt32(at, high ^ int32SignBit);
  bytes.setUint32(at + 4, value - high * 2 ** 32);
}

export function readInteger(bytes: DataView, at: number): number {
  return (bytes.getInt32(at) ^ int32SignBit) * 2 ** 32 + bytes.getUint32(at + 4);
}

/** Longest key that is stored, in bytes; LMDB takes up to 1,978, and a pane follows. */
export const maxKeyBytes = 1_900;

/**
 * Longest key that is stored as it stands, and how much stands of a longer one. No whole key begins another, so none
 * begins a cut-off one either: byte order stays the same with a pane behind.
 */
export const wholeKeyBytes = maxKeyBytes - 32;

/**
 * `encodeKey`, or if that is longer than `wholeKeyBytes` its beginning and a SHA-256 of the whole. The order of stores and of
 * merge joins is the byte order of this; only among over-long keys does it differ from DuckDB's.
 */
export function storageKey(values: readonly Scalar[]): Uint8Array {
  const key = encodeKey(values);
  if (key.length <= wholeKeyBytes) return key;
  const short = new Uint8Array(maxKeyBytes);
  short.set(key.subarray(0, wholeKeyBytes));
  short.set(createHash("sha256").update(key).digest(), wholeKeyBytes);
  return short;
}

/** Byte order; a key comes before the keys that it begins. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
