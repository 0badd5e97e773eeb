import { gunzipSync } from "node:zlib";
import { type Offset, offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { LogRecord } from "../log/log.ts";
import { crc32c } from "./crc32c.ts";
import { FetchedRecord } from "./fetched-record.ts";
import { attribute, batchFormat, batchLayout } from "./record-batch.ts";
import { readVarint, type VarintReader } from "./varint.ts";

/** Records of the producer from there on, up to its abort marker, were never committed. */
export interface AbortedTransaction {
  readonly producer: number;
  readonly from: number;
}

/** How much is taken at a time. */
export interface Taken {
  readonly maxRecords: number;
  readonly maxBytes: number;
}

const codecs = ["none", "gzip", "snappy", "lz4", "zstd"];

/**
 * What one fetch brought of one partition, to be taken piece by piece. Control records and those of aborted transactions are
 * passed over: their offsets are gaps.
 */
export class FetchedRecords {
  readonly #where: string;
  readonly #bytes: Buffer;
  readonly #aborted: AbortedTransaction[];
  readonly #abortedProducers = new Set<number>();
  /** Where the next batch begins. */
  #batchAt = 0;
  #batch: OpenBatch | undefined;

  constructor(where: string, bytes: Buffer, aborted: readonly AbortedTransaction[]) {
    this.#where = where;
    this.#bytes = bytes;
    this.#aborted = [...aborted].sort((a, b) => a.from - b.from);
  }

  /**
   * Adds the records `[from, next)` that come next to `into`. Gives where it got to, which is `from` if there is nothing
   * more. TIDEMARK_STORE_CORRUPT for what is compressed in a way that can't be read here.
   */
  take(from: Offset, next: Offset, into: LogRecord[], { maxRecords, maxBytes }: Taken): Offset {
    let reached: number = from;
    let bytes = 0;
    while (reached < next) {
      this.#batch ??= this.#openNext();
      const batch = this.#batch;
      if (batch === undefined) break;
      while (batch.left > 0) {
        if (into.length >= maxRecords || bytes >= maxBytes) return reached as Offset;
        const record = batch.read();
        if (record.offset < from) continue;
        if (record.offset >= next) {
          batch.putBack();
          return next;
        }
        into.push(record);
        bytes += record.bytes;
        reached = record.offset + 1;
      }
      reached = Math.min(Math.max(reached, batch.next), next);
      if (batch.next <= next) this.#batch = undefined;
    }
    return reached as Offset;
  }

  /** Where the whole batches end; undefined if there is none. */
  next(): Offset | undefined {
    let last: number | undefined;
    for (let at = 0; this.#isWhole(at); at = this.#batchEnd(at)) last = at;
    return last === undefined ? undefined : this.#batchNext(last);
  }

  #isWhole(at: number): boolean {
    return at + batchLayout.records <= this.#bytes.length && this.#batchEnd(at) <= this.#bytes.length;
  }

  #batchEnd(at: number): number {
    return at + batchLayout.leaderEpoch + this.#bytes.readInt32BE(at + batchLayout.length);
  }

  #batchNext(at: number): Offset {
    const base = Number(this.#bytes.readBigInt64BE(at + batchLayout.baseOffset));
    return offset(base + this.#bytes.readInt32BE(at + batchLayout.lastOffsetDelta) + 1);
  }

  /** The next batch; without records to be read where they are none of ours. */
  #openNext(): OpenBatch | undefined {
    const at = this.#batchAt;
    if (!this.#isWhole(at)) return undefined;
    const bytes = this.#bytes.subarray(at, this.#batchEnd(at));
    this.#batchAt = this.#batchEnd(at);
    if (bytes[batchLayout.format] !== batchFormat)
      throw this.#unreadable(`are of format ${bytes[batchLayout.format]}`);
    const next = this.#batchNext(at);
    if (crc32c(bytes.subarray(batchLayout.attributes)) !== bytes.readUInt32BE(batchLayout.checksum))
      throw this.#unreadable(`before ${next} do not have their checksum`);
    const attributes = bytes.readInt16BE(batchLayout.attributes);
    const isCommitted = this.#isCommitted(bytes, attributes, next);
    const base = Number(bytes.readBigInt64BE(batchLayout.baseOffset));
    const count = isCommitted ? bytes.readInt32BE(batchLayout.count) : 0;
    const times = {
      base: Number(bytes.readBigInt64BE(batchLayout.baseTimestamp)),
      appended:
        attributes & attribute.appendTime
          ? Number(bytes.readBigInt64BE(batchLayout.maxTimestamp))
          : undefined,
    };
    const records = count === 0 ? bytes.subarray(bytes.length) : this.#recordsOf(bytes, attributes);
    return new OpenBatch(records, base, next, count, times);
  }

  /** The rule of Kafka's own consumer for readers of committed records (CompletedFetch.java). */
  #isCommitted(bytes: Buffer, attributes: number, next: Offset): boolean {
    const producer = Number(bytes.readBigInt64BE(batchLayout.producer));
    while (this.#aborted[0] !== undefined && this.#aborted[0].from < next) {
      this.#abortedProducers.add((this.#aborted.shift() as AbortedTransaction).producer);
    }
    if (attributes & attribute.control) {
      // Whatever the marker says: the transaction is over.
      this.#abortedProducers.delete(producer);
      return false;
    }
    return (attributes & attribute.transactional) === 0 || !this.#abortedProducers.has(producer);
  }

  #recordsOf(bytes: Buffer, attributes: number): Buffer {
    const records = bytes.subarray(batchLayout.records);
    const codec = attributes & attribute.codec;
    if (codec === 0) return records;
    if (codec === 1) return gunzipSync(records);
    throw this.#unreadable(
      `are compressed by ${codecs[codec] ?? codec}, which is not understood here: the topic's compression.type must be "uncompressed" or "gzip", which \`tidemark topics apply\` sees to, whatever producers send`,
    );
  }

  #unreadable(what: string): TidemarkError {
    return new TidemarkError("TIDEMARK_STORE_CORRUPT", `records of ${this.#where} ${what}`);
  }
}

class OpenBatch implements VarintReader {
  readonly next: Offset;
  left: number;
  at = 0;
  readonly bytes: Buffer;
  readonly #base: number;
  readonly #times: { readonly base: number; readonly appended: number | undefined };
  #before = 0;

  constructor(
    bytes: Buffer,
    base: number,
    next: Offset,
    count: number,
    times: { readonly base: number; readonly appended: number | undefined },
  ) {
    this.bytes = bytes;
    this.#base = base;
    this.next = next;
    this.left = count;
    this.#times = times;
  }

  read(): FetchedRecord {
    this.#before = this.at;
    this.left--;
    const length = readVarint(this);
    const end = this.at + length;
    this.at++; // attributes
    const time = this.#times.base + readVarint(this);
    const delta = readVarint(this);
    const record = new FetchedRecord(
      (this.#base + delta) as Offset,
      this.#times.appended ?? time,
      this.bytes,
      this.at,
      end,
    );
    this.at = end;
    return record;
  }

  /** The record that was read last is the next one again. */
  putBack(): void {
    this.at = this.#before;
    this.left++;
  }
}
