import type { Append, RecordHeaders } from "../log/log.ts";
import { crc32c } from "./crc32c.ts";
import { batchFormat, batchLayout } from "./record-batch.ts";

/** One batch of a partition's records, uncompressed. */
export function encodeRecords(records: readonly Append[], timestampMs: number): Buffer {
  let size: number = batchLayout.records;
  for (const record of records) size += recordBound(record);
  const bytes = Buffer.allocUnsafe(size);
  let at: number = batchLayout.records;
  for (let i = 0; i < records.length; i++) at = encodeRecord(records[i] as Append, i, bytes, at);
  bytes.writeBigInt64BE(0n, batchLayout.baseOffset);
  bytes.writeInt32BE(at - batchLayout.leaderEpoch, batchLayout.length);
  bytes.writeInt32BE(-1, batchLayout.leaderEpoch);
  bytes.writeInt8(batchFormat, batchLayout.format);
  bytes.writeInt16BE(0, batchLayout.attributes);
  bytes.writeInt32BE(records.length - 1, batchLayout.lastOffsetDelta);
  bytes.writeBigInt64BE(BigInt(timestampMs), batchLayout.baseTimestamp);
  bytes.writeBigInt64BE(BigInt(timestampMs), batchLayout.maxTimestamp);
  bytes.writeBigInt64BE(-1n, batchLayout.producer);
  bytes.writeInt16BE(-1, batchLayout.producerEpoch);
  bytes.writeInt32BE(-1, batchLayout.sequence);
  bytes.writeInt32BE(records.length, batchLayout.count);
  bytes.writeUInt32BE(crc32c(bytes.subarray(batchLayout.attributes, at)), batchLayout.checksum);
  return bytes.subarray(0, at);
}

/** A record takes no more bytes than this. */
export function recordBound({ key, value, headers }: Append): number {
  return (
    30 +
    (key === null ? 0 : key.length * 3) +
    value.length +
    (headers === undefined ? 0 : headersBound(headers))
  );
}

function headersBound(headers: RecordHeaders): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers)) {
    bytes += 10 + name.length * 3 + (typeof value === "string" ? value.length * 3 : value.length);
  }
  return bytes;
}

function encodeRecord(record: Append, index: number, into: Buffer, from: number): number {
  const { key, value, headers } = record;
  const valueLength = record.isWithoutValue ? -1 : value.length;
  const keyLength = key === null ? -1 : Buffer.byteLength(key);
  const packed = headers === undefined ? none : encodeHeaders(headers);
  const length =
    2 +
    varintSize(index) +
    varintSize(keyLength) +
    Math.max(0, keyLength) +
    varintSize(valueLength) +
    value.length +
    packed.length;
  let at = varint(length, into, from);
  into[at++] = 0; // attributes
  into[at++] = 0; // no time after the batch's
  at = varint(index, into, at);
  at = varint(keyLength, into, at);
  if (key !== null) at += into.write(key, at);
  at = varint(valueLength, into, at);
  into.set(value, at);
  into.set(packed, at + value.length);
  return at + value.length + packed.length;
}

/** A count of 0. */
const none = Uint8Array.of(0);

function encodeHeaders(headers: RecordHeaders): Uint8Array {
  const bytes = Buffer.allocUnsafe(5 + headersBound(headers));
  const entries = Object.entries(headers);
  let at = varint(entries.length, bytes, 0);
  for (const [name, value] of entries) {
    at = varint(Buffer.byteLength(name), bytes, at);
    at += bytes.write(name, at);
    const part = typeof value === "string" ? Buffer.from(value) : value;
    at = varint(part.length, bytes, at);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes.subarray(0, at);
}

function varint(value: number, into: Buffer, from: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let at = from;
  for (; rest > 127; rest >>>= 7) into[at++] = (rest & 127) | 128;
  into[at++] = rest;
  return at;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = ((value << 1) ^ (value >> 31)) >>> 0; rest > 127; rest >>>= 7) size++;
  return size;
}
