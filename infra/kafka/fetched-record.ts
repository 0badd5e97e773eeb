import type { Offset } from "../../views/cut.ts";
import type { LogRecord, RecordHeaders } from "../log/log.ts";
import { readVarint, type VarintReader } from "./varint.ts";

/** A record in the bytes that came. Key and headers are made when asked for: few readers need them. */
export class FetchedRecord implements LogRecord {
  readonly offset: Offset;
  readonly timestampMs: number | undefined;
  readonly value: Uint8Array;
  readonly #bytes: Buffer;
  readonly #keyAt: number;
  readonly #headersAt: number;

  /** `bytes` from `keyAt` to `next` are the record's key, value and headers. */
  constructor(at: Offset, timestampMs: number, bytes: Buffer, keyAt: number, next: number) {
    this.offset = at;
    // −1 says that the producer gave none.
    this.timestampMs = timestampMs < 0 ? undefined : timestampMs;
    this.#bytes = bytes;
    this.#keyAt = keyAt;
    const reader: VarintReader = { bytes, at: keyAt };
    const keyLength = Math.max(0, readVarint(reader));
    reader.at += keyLength;
    const valueLength = Math.max(0, readVarint(reader));
    this.value = bytes.subarray(reader.at, reader.at + valueLength);
    this.#headersAt = reader.at + valueLength;
    this.bytes = next - keyAt;
  }

  readonly bytes: number;

  get key(): string | null {
    const reader: VarintReader = { bytes: this.#bytes, at: this.#keyAt };
    const length = readVarint(reader);
    return length < 0 ? null : this.#bytes.toString("utf8", reader.at, reader.at + length);
  }

  get headers(): RecordHeaders | undefined {
    if (this.#bytes[this.#headersAt] === 0) return undefined;
    const reader: VarintReader = { bytes: this.#bytes, at: this.#headersAt };
    let left = readVarint(reader);
    // Without a prototype: any name may come.
    const headers: Record<string, Uint8Array> = Object.create(null);
    for (; left > 0; left--) {
      const name = part(reader);
      headers[name.toString()] = part(reader);
    }
    return headers;
  }
}

/** A null value is an empty one. */
function part(reader: VarintReader): Buffer {
  const length = Math.max(0, readVarint(reader));
  reader.at += length;
  return reader.bytes.subarray(reader.at - length, reader.at);
}
