/** Kafka's primitive types, of requests that we encode and decode ourselves: fixed-size numbers, big-endian, and texts. */
export class WireWriter {
  #bytes: Buffer;
  #at = 0;

  constructor(size = 512) {
    this.#bytes = Buffer.allocUnsafe(size);
  }

  int8(value: number): this {
    this.#at = this.#room(1).writeInt8(value, this.#at);
    return this;
  }

  int16(value: number): this {
    this.#at = this.#room(2).writeInt16BE(value, this.#at);
    return this;
  }

  int32(value: number): this {
    this.#at = this.#room(4).writeInt32BE(value, this.#at);
    return this;
  }

  int64(value: number): this {
    this.#at = this.#room(8).writeBigInt64BE(BigInt(value), this.#at);
    return this;
  }

  text(value: string | null): this {
    if (value === null) return this.int16(-1);
    const length = Buffer.byteLength(value);
    this.int16(length);
    this.#room(length).write(value, this.#at);
    this.#at += length;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int32(value.length);
    this.#room(value.length).set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  written(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + length));
      this.#bytes.copy(larger, 0, 0, this.#at);
      this.#bytes = larger;
    }
    return this.#bytes;
  }
}

export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#skip(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#skip(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#skip(4));
  }

  /** Beyond 2^53 it is not exact: what becomes an `Offset` is checked there. */
  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.#skip(8)));
  }

  text(): string | null {
    const length = this.int16();
    if (length < 0) return null;
    const from = this.#skip(length);
    return this.#bytes.toString("utf8", from, from + length);
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int32());
    const from = this.#skip(length);
    return this.#bytes.subarray(from, from + length);
  }

  array<T>(read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.int32(); left > 0; left--) items.push(read());
    return items;
  }

  #skip(length: number): number {
    const from = this.#at;
    this.#at += length;
    return from;
  }
}
