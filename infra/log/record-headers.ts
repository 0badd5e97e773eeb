import { isUtf8 } from "node:buffer";
import type { HeaderTexts } from "../../views/record-envelope.ts";
import type { RecordHeaders } from "./log.ts";

/**
 * Headers as they are stored: one after the other `u32 name length · name · u32 value length · value`, little-endian.
 * No headers are no bytes.
 */
export function packHeaders(headers: RecordHeaders, into: Buffer, from: number): number {
  let at = from;
  for (const [name, value] of Object.entries(headers)) {
    at = packPart(name, into, at);
    at = packPart(value, into, at);
  }
  return at - from;
}

/** They take no more bytes than this. */
export function headersBound(headers: RecordHeaders): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    bytes += 8 + name.length * 3 + (typeof value === "string" ? value.length * 3 : value.length);
  }
  return bytes;
}

export function unpackHeaders(bytes: Buffer): RecordHeaders {
  // Without a prototype: any name may come.
  const headers: Record<string, Uint8Array> = Object.create(null);
  for (let at = 0; at < bytes.length; ) {
    const nameNext = at + 4 + bytes.readUInt32LE(at);
    const valueNext = nameNext + 4 + bytes.readUInt32LE(nameNext);
    headers[bytes.toString("utf8", at + 4, nameNext)] = bytes.subarray(nameNext + 4, valueNext);
    at = valueNext;
  }
  return headers;
}

/** Gives where it ends. */
function packPart(part: Uint8Array | string, into: Buffer, at: number): number {
  const length = typeof part === "string" ? into.write(part, at + 4) : part.length;
  if (typeof part !== "string") into.set(part, at + 4);
  into.writeUInt32LE(length, at);
  return at + 4 + length;
}

/** What the meaning of a record rests on. */
export function headerTexts(headers: RecordHeaders): HeaderTexts {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, headerText(value)]));
}

function headerText(value: Uint8Array | string): HeaderTexts[string] {
  if (typeof value === "string") return value;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString("base64") };
}
