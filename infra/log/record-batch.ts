import { type Offset, offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Append, LogRecord, RecordHeaders } from "./log.ts";
import { headersBound, packHeaders, unpackHeaders } from "./record-headers.ts";

/**
 * Records of one partition as they are stored: one value per commit and partition, so that a commit is a few puts.
 *
 *     u8 format · u32 count · count × (u32 key length | 0xffffffff for null · key · u32 value length · value)
 *
 * Numbers are little-endian, keys UTF-8. In format 2, which a batch has if any of its records has headers, each value is
 * followed by `u32 headers length · headers`, as `record-headers.ts` packs them.
 */
const plainFormat = 1;
const headersFormat = 2;
const headerBytes = 5;
const nullKey = 0xffffffff;

/** A stored value is about this large at most; a larger single record has a value of its own. */
export const maxBatchBytes = 512 * 1024;

export class RecordBatch {
  readonly from: Offset;
  readonly next: Offset;
  readonly bytes: Buffer;

  constructor(from: Offset, next: Offset, bytes: Buffer) {
    this.from = from;
    this.next = next;
    this.bytes = bytes;
  }

  /** Reads a stored value whose records end before `next`; throws TIDEMARK_STORE_CORRUPT if it is none. */
  static stored(next: Offset, bytes: Buffer): RecordBatch {
    if (bytes.length < headerBytes || (bytes[0] !== plainFormat && bytes[0] !== headersFormat)) {
      throw new TidemarkError(
        "TIDEMARK_STORE_CORRUPT",
        `the log's batch before offset ${next} is of format ${bytes[0]}, not ${plainFormat} or ${headersFormat}`,
      );
    }
    return new RecordBatch(offset(next - bytes.readUInt32LE(1)), next, bytes);
  }

  /** Without records; says that a partition goes on from there. */
  static empty(at: Offset): RecordBatch {
    const bytes = Buffer.alloc(headerBytes);
    bytes[0] = plainFormat;
    return new RecordBatch(at, at, bytes);
  }

  /** The same without the records before an offset that it holds. */
  after(before: Offset): RecordBatch {
    const { bytes } = this;
    let at = headerBytes;
    for (let o: number = this.from; o < before; o++) at = this.#recordNext(at);
    const kept = Buffer.concat([bytes.subarray(0, headerBytes), bytes.subarray(at)]);
    kept.writeUInt32LE(this.next - before, 1);
    return new RecordBatch(before, this.next, kept);
  }

  #recordNext(at: number): number {
    const { bytes } = this;
    const keyLength = bytes.readUInt32LE(at);
    const valueAt = at + 8 + (keyLength === nullKey ? 0 : keyLength);
    const valueNext = valueAt + bytes.readUInt32LE(valueAt - 4);
    return bytes[0] === headersFormat ? valueNext + 4 + bytes.readUInt32LE(valueNext) : valueNext;
  }

  /** Adds the records `[from, next)` to `into`, until it holds `maxRecords` or they come to `maxBytes`. Gives the bytes added. */
  copyInto(
    into: LogRecord[],
    from: Offset,
    next: Offset,
    { maxRecords, maxBytes }: { readonly maxRecords: number; readonly maxBytes: number },
  ): number {
    const { bytes } = this;
    const hasHeaders = bytes[0] === headersFormat;
    let at = headerBytes;
    let added = 0;
    for (let o = this.from; o < next && o < this.next; o = (o + 1) as Offset) {
      const keyLength = bytes.readUInt32LE(at);
      const keyAt = at + 4;
      const valueAt = keyAt + (keyLength === nullKey ? 0 : keyLength) + 4;
      const valueNext = valueAt + bytes.readUInt32LE(valueAt - 4);
      at = hasHeaders ? valueNext + 4 + bytes.readUInt32LE(valueNext) : valueNext;
      if (o < from) continue;
      if (into.length >= maxRecords || added >= maxBytes) break;
      into.push(new StoredRecord(o, bytes, keyAt, keyLength, valueAt, valueNext, at));
      added += at - keyAt;
    }
    return added;
  }
}

/** Key and value are made when asked for: few readers need both. */
class StoredRecord implements LogRecord {
  readonly offset: Offset;
  readonly #bytes: Buffer;
  readonly #keyAt: number;
  readonly #keyLength: number;
  readonly #valueAt: number;
  readonly #valueNext: number;
  readonly #recordNext: number;

  constructor(
    at: Offset,
    bytes: Buffer,
    keyAt: number,
    keyLength: number,
    valueAt: number,
    valueNext: number,
    recordNext: number,
  ) {
    this.offset = at;
    this.#bytes = bytes;
    this.#keyAt = keyAt;
    this.#keyLength = keyLength;
    this.#valueAt = valueAt;
    this.#valueNext = valueNext;
    this.#recordNext = recordNext;
  }

  get key(): string | null {
    if (this.#keyLength === nullKey) return null;
    return this.#bytes.toString("utf8", this.#keyAt, this.#keyAt + this.#keyLength);
  }

  get value(): Uint8Array {
    return this.#bytes.subarray(this.#valueAt, this.#valueNext);
  }

  get headers(): RecordHeaders | undefined {
    const from = this.#valueNext + 4;
    return from < this.#recordNext ? unpackHeaders(this.#bytes.subarray(from, this.#recordNext)) : undefined;
  }

  get timestampMs(): undefined {
    return undefined;
  }
}

/** Packs records that follow one another from `from` on into batches of at most about `maxBatchBytes`, each in memory that it is given. */
export function packRecords(
  records: readonly Append[],
  from: Offset,
  allocate: (bytes: number) => Buffer,
): RecordBatch[] {
  const batches: RecordBatch[] = [];
  let first = 0;
  let bytes = headerBytes;
  for (let i = 0; i < records.length; i++) {
    const record = records[i] as Append;
    const size =
      8 +
      (record.key === null ? 0 : record.key.length * 3) +
      record.value.length +
      (record.headers === undefined ? 0 : headersBound(record.headers));
    if (bytes + size > maxBatchBytes && i > first) {
      batches.push(pack(records, first, i, (from + first) as Offset, bytes, allocate));
      first = i;
      bytes = headerBytes;
    }
    bytes += size;
  }
  if (records.length > first)
    batches.push(pack(records, first, records.length, (from + first) as Offset, bytes, allocate));
  return batches;
}

function pack(
  records: readonly Append[],
  first: number,
  next: number,
  from: Offset,
  atMost: number,
  allocate: (bytes: number) => Buffer,
): RecordBatch {
  const count = next - first;
  const hasHeaders = hasAnyHeaders(records, first, next);
  const buffer = allocate(hasHeaders ? atMost + 4 * count : atMost);
  buffer[0] = hasHeaders ? headersFormat : plainFormat;
  buffer.writeUInt32LE(count, 1);
  let at = headerBytes;
  for (let i = first; i < next; i++) {
    const { key, value, headers } = records[i] as Append;
    const keyLength = key === null ? nullKey : writeText(buffer, key, at + 4);
    buffer.writeUInt32LE(keyLength, at);
    at += 4 + (key === null ? 0 : keyLength);
    buffer.writeUInt32LE(value.length, at);
    buffer.set(value, at + 4);
    at += 4 + value.length;
    if (!hasHeaders) continue;
    const headersLength = headers === undefined ? 0 : packHeaders(headers, buffer, at + 4);
    buffer.writeUInt32LE(headersLength, at);
    at += 4 + headersLength;
  }
  return new RecordBatch(from, (from + count) as Offset, buffer.subarray(0, at));
}

function hasAnyHeaders(records: readonly Append[], first: number, next: number): boolean {
  for (let i = first; i < next; i++) if (records[i]?.headers !== undefined) return true;
  return false;
}

/** UTF-8 into the buffer; short ASCII, which most keys are, without a call out of JavaScript. Gives the length. */
function writeText(buffer: Buffer, text: string, at: number): number {
  if (text.length > 32) return buffer.write(text, at);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return buffer.write(text, at);
    buffer[at + i] = code;
  }
  return text.length;
}
