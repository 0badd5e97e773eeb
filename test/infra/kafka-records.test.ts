import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { crc32c } from "../../infra/kafka/crc32c.ts";
import { encodeRecords } from "../../infra/kafka/encode-records.ts";
import { FetchedRecords } from "../../infra/kafka/fetched-records.ts";
import { batchLayout } from "../../infra/kafka/record-batch.ts";
import type { Append, LogRecord } from "../../infra/log/log.ts";
import { offset } from "../../views/cut.ts";

const append = (text: string, key: string | null = null): Append => {
  return { topic: "t", partition: 0, key, value: Buffer.from(text) };
};

interface BatchParts {
  readonly base: number;
  readonly texts: readonly string[];
  readonly attributes?: number;
  readonly producer?: number;
  /** How many offsets the batch covers, where some of its records are gone. */
  readonly covers?: number;
  readonly records?: (plain: Buffer) => Buffer;
}

/** A batch as a broker would hand it out. */
function batch({ base, texts, attributes = 0, producer = -1, covers, records }: BatchParts): Buffer {
  const plain = encodeRecords(
    texts.map((text) => append(text)),
    1_000,
  );
  const bytes =
    records === undefined
      ? plain
      : Buffer.concat([plain.subarray(0, batchLayout.records), records(plain.subarray(batchLayout.records))]);
  bytes.writeBigInt64BE(BigInt(base), batchLayout.baseOffset);
  bytes.writeInt32BE(bytes.length - batchLayout.leaderEpoch, batchLayout.length);
  bytes.writeInt16BE(attributes, batchLayout.attributes);
  bytes.writeBigInt64BE(BigInt(producer), batchLayout.producer);
  if (covers !== undefined) bytes.writeInt32BE(covers - 1, batchLayout.lastOffsetDelta);
  bytes.writeUInt32BE(crc32c(bytes.subarray(batchLayout.attributes)), batchLayout.checksum);
  return bytes;
}

const all = { maxRecords: 1_000_000, maxBytes: 1_000_000_000 };

function take(fetched: FetchedRecords, from: number, next = fetched.next() ?? 0, bounds = all) {
  const records: LogRecord[] = [];
  const reached = fetched.take(offset(from), offset(next), records, bounds);
  return { reached, records: records.map((record) => `${record.offset} ${Buffer.from(record.value)}`) };
}

const fetched = (...batches: readonly Buffer[]) => new FetchedRecords("t/0", Buffer.concat(batches), []);

test("the checksum is that of Castagnoli, wherever the bytes lie", () => {
  // RFC 3720, B.4
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(new Uint8Array(0))).toBe(0);
  const bytes = randomBytes(100);
  for (let from = 0; from < 9; from++) {
    expect(crc32c(bytes.subarray(from, 90))).toBe(crc32c(Uint8Array.from(bytes.subarray(from, 90))));
  }
});

test("a record without a value has none, where one of no bytes has none either but is there", () => {
  const encoded = (isWithoutValue: boolean) =>
    encodeRecords([{ ...append("", "k"), isWithoutValue }], 0).subarray(batchLayout.records);
  // Length, attributes, time, place, key; then the value's length, of which −1 is written as 1, and no headers.
  expect([...encoded(false)]).toEqual([14, 0, 0, 0, 2, "k".charCodeAt(0), 0, 0]);
  expect([...encoded(true)]).toEqual([14, 0, 0, 0, 2, "k".charCodeAt(0), 1, 0]);
});

describe("what a fetch brought", () => {
  test("begins where it is asked to and ends where it is asked to, in the middle of batches", () => {
    const bytes = [batch({ base: 10, texts: ["a", "b", "c"] }), batch({ base: 13, texts: ["d", "e"] })];
    expect(fetched(...bytes).next()).toBe(15);
    expect(take(fetched(...bytes), 11)).toEqual({ reached: 15, records: ["11 b", "12 c", "13 d", "14 e"] });
    expect(take(fetched(...bytes), 11, 14)).toEqual({ reached: 14, records: ["11 b", "12 c", "13 d"] });
    expect(take(fetched(...bytes), 14)).toEqual({ reached: 15, records: ["14 e"] });
  });

  test("is taken piece by piece without losing a record", () => {
    const of = fetched(batch({ base: 0, texts: ["a", "b", "c"] }), batch({ base: 3, texts: ["d"] }));
    const two = { ...all, maxRecords: 2 };
    expect(take(of, 0, 4, two)).toEqual({ reached: 2, records: ["0 a", "1 b"] });
    expect(take(of, 2, 4, two)).toEqual({ reached: 4, records: ["2 c", "3 d"] });
    expect(take(of, 4, 4, two)).toEqual({ reached: 4, records: [] });
  });

  test("leaves a last batch alone that came in part", () => {
    const [first, second] = [batch({ base: 0, texts: ["a"] }), batch({ base: 1, texts: ["b"] })];
    for (let length = 0; length < second.length; length++) {
      expect(take(fetched(first, second.subarray(0, length)), 0)).toEqual({ reached: 1, records: ["0 a"] });
    }
    expect(fetched(first.subarray(0, 5)).next()).toBeUndefined();
  });

  test("covers the offsets that records are gone from", () => {
    const of = fetched(batch({ base: 5, texts: ["a"], covers: 4 }), batch({ base: 20, texts: ["b"] }));
    expect(take(of, 5, 9)).toEqual({ reached: 9, records: ["5 a"] });
    expect(take(of, 9)).toEqual({ reached: 21, records: ["20 b"] });
  });

  test("passes over control records and what was never committed, of that producer only", () => {
    const [transactional, control] = [0x10, 0x30];
    const of = new FetchedRecords(
      "t/0",
      Buffer.concat([
        batch({ base: 0, texts: ["kept"], attributes: transactional, producer: 7 }),
        batch({ base: 1, texts: ["aborted"], attributes: transactional, producer: 8 }),
        batch({ base: 2, texts: ["plain"], producer: 8 }),
        batch({ base: 3, texts: ["abort marker"], attributes: control, producer: 8 }),
        batch({ base: 4, texts: ["after"], attributes: transactional, producer: 8 }),
        batch({ base: 5, texts: ["commit marker"], attributes: control, producer: 7 }),
      ]),
      [{ producer: 8, from: 1 }],
    );
    expect(take(of, 0)).toEqual({ reached: 6, records: ["0 kept", "2 plain", "4 after"] });
  });

  test("is read where gzip compressed it, and named where another codec did", () => {
    const zipped = batch({ base: 0, texts: ["a", "b"], attributes: 1, records: gzipSync });
    expect(take(fetched(zipped), 0)).toEqual({ reached: 2, records: ["0 a", "1 b"] });
    for (const [codec, name] of [
      [2, "snappy"],
      [3, "lz4"],
      [4, "zstd"],
    ] as const) {
      expect(() => take(fetched(batch({ base: 0, texts: ["a"], attributes: codec })), 0)).toThrow(
        expect.objectContaining({
          code: "TIDEMARK_STORE_CORRUPT",
          message: expect.stringMatching(`t/0 are compressed by ${name}.*topics apply`),
        }),
      );
    }
  });

  test("is refused where a bit has fallen", () => {
    const bytes = batch({ base: 0, texts: ["abc"] });
    bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1;
    expect(() => take(fetched(bytes), 0)).toThrow(/t\/0 before 1 do not have their checksum/);
  });

  test("has the time of each record, the broker's where it keeps that", () => {
    const records: LogRecord[] = [];
    const stamped = batch({ base: 1, texts: ["b"], attributes: 0x8 });
    fetched(batch({ base: 0, texts: ["a"] }), stamped).take(offset(0), offset(2), records, all);
    expect(records.map(({ timestampMs }) => timestampMs)).toEqual([1_000, 1_000]);
  });
});
