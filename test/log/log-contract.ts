import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Append, Log, LogBatch, LogRecord, Topic } from "../../infra/log/log.ts";
import { type Offset, offset } from "../../views/cut.ts";

/** A log under test, empty, and whatever must be cleaned up after it. */
export interface OpenedLog {
  readonly log: Log;
  /** Another log object over the same records that may only read; usually in the same process. */
  reader(): Promise<Log>;
  close(): PromiseLike<void>;
}

export const orders: Topic = { name: "shop.order.placed", partitions: 3 };
export const visits: Topic = { name: "shop.visit.begun", partitions: 1 };

export function append(partition: number, text: string, key: string | null = null, topic = orders): Append {
  return { topic: topic.name, partition, key, value: Buffer.from(text) };
}

export async function readTexts(log: Log, partition: number, from: number, next: number): Promise<string[]> {
  const texts: string[] = [];
  let at = from;
  for await (const batch of log.read(orders.name, partition, offset(from), offset(next))) {
    expect(batch.from).toBe(at);
    expect(batch.records.map((record) => record.offset)).toEqual(batch.records.map((_, i) => batch.from + i));
    at = batch.next;
    texts.push(...batch.records.map(({ value }) => Buffer.from(value).toString()));
  }
  expect(at).toBe(next);
  return texts;
}

/** Follows a topic until `count` records came; gives their texts by partition, in order of arrival. */
export async function follow(
  log: Log,
  count: number,
  from: readonly number[] = [0, 0, 0],
  meanwhile?: () => Promise<unknown>,
): Promise<string[][]> {
  const texts: string[][] = from.map(() => []);
  const positions = from.map(offset);
  let seen = 0;
  let arrived: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const consumer = log.consume({
    topic: orders.name,
    position: (partition) => positions[partition] as Offset,
    handle(batch: LogBatch) {
      expect(batch.from).toBe(positions[batch.partition]);
      positions[batch.partition] = batch.next;
      for (const { value } of batch.records) texts[batch.partition]?.push(Buffer.from(value).toString());
      seen += batch.records.length;
      if (seen >= count) arrived();
    },
  });
  await meanwhile?.();
  await Promise.race([all, consumer.done]);
  await consumer[Symbol.asyncDispose]();
  return texts;
}

/** The laws of every log, whatever it is made of. */
export function logContract(name: string, open: (topics: readonly Topic[]) => Promise<OpenedLog>): void {
  describe(`${name} is a log`, () => {
    let opened: OpenedLog;
    let log: Log;

    beforeEach(async () => {
      opened = await open([orders, visits]);
      log = opened.log;
    });
    afterEach(async () => opened.close());

    test("an empty log holds nothing", async () => {
      expect(await log.starts(orders.name)).toEqual([0, 0, 0]);
      expect(await log.nexts(orders.name)).toEqual([0, 0, 0]);
      expect(await readTexts(log, 0, 0, 0)).toEqual([]);
    });

    test("an append answers where each partition it touched goes on, and no other", async () => {
      await log.append([append(0, "a"), append(2, "b"), append(0, "c")]);
      await log.append([append(0, "v", null, visits)]);
      const position = await log.append([append(0, "d"), append(2, "e")]);
      expect([...(position.get(orders.name) ?? [])].sort()).toEqual([
        [0, 3],
        [2, 2],
      ]);
      expect(await log.nexts(orders.name)).toEqual([3, 0, 2]);
    });

    test("records come back byte for byte, with their keys, in order of append", async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      const key = "Zürich-🛬-" + "k".repeat(100);
      await log.append([
        { topic: orders.name, partition: 1, key: "k", value: bytes },
        { topic: orders.name, partition: 1, key: null, value: new Uint8Array(0) },
        { topic: orders.name, partition: 1, key, value: Buffer.from("x") },
        { topic: orders.name, partition: 1, key: "", value: Buffer.from("y") },
      ]);
      const records: LogRecord[] = [];
      for await (const batch of log.read(orders.name, 1, offset(0), offset(4)))
        records.push(...batch.records);
      expect(records.map((record) => record.key)).toEqual(["k", null, key, ""]);
      expect(records.map((record) => [...record.value])).toEqual([[...bytes], [], [120], [121]]);
    });

    test("read gives exactly the range, wherever it begins and ends in what was appended together", async () => {
      const texts = Array.from({ length: 5000 }, (_, i) => `record ${i} ${"x".repeat(i % 700)}`);
      await log.append(texts.map((text) => append(0, text)));
      await log.append([append(0, "one more")]);
      texts.push("one more");
      for (const [from, next] of [
        [0, 5001],
        [1, 2],
        [999, 1001],
        [4999, 5001],
        [5000, 5001],
        [1234, 4321],
        [7, 7],
      ] as const) {
        expect(await readTexts(log, 0, from, next)).toEqual(texts.slice(from, next));
      }
    });

    test("a record larger than any batch is kept whole", async () => {
      const large = "L".repeat(3 * 1024 * 1024);
      await log.append([append(0, "before"), append(0, large), append(0, "after")]);
      expect(await readTexts(log, 0, 0, 3)).toEqual(["before", large, "after"]);
    });

    test("reading what is not there yet is refused by name", async () => {
      await log.append([append(0, "a")]);
      await expect(readTexts(log, 0, 0, 2)).rejects.toMatchObject({
        code: "TIDEMARK_STORE_OUT_OF_RANGE",
        message: expect.stringContaining("[0, 1)"),
      });
    });

    test("a topic or a partition that does not exist is refused by name", async () => {
      await expect(log.append([append(3, "a")])).rejects.toMatchObject({
        code: "TIDEMARK_STORE_OUT_OF_RANGE",
        message: expect.stringContaining("partitions 0 to 2"),
      });
      await expect(log.nexts("shop.order.lost")).rejects.toMatchObject({
        code: "TIDEMARK_STORE_OUT_OF_RANGE",
      });
    });

    test("a consumer gets what is there and what comes, each partition in order", async () => {
      const texts = Array.from({ length: 3000 }, (_, i) => `${i}`);
      await log.append(texts.slice(0, 1500).map((text, i) => append(i % 3, text)));
      const followed = await follow(log, 3000, [0, 0, 0], async () => {
        for (let i = 1500; i < 3000; i += 100) {
          await log.append(texts.slice(i, i + 100).map((text, j) => append((i + j) % 3, text)));
        }
      });
      expect(followed).toEqual([0, 1, 2].map((p) => texts.filter((_, i) => i % 3 === p)));
    });

    test("a consumer begins at its position, and what moves the position forward skips", async () => {
      await log.append(["a", "b", "c"].map((text) => append(0, text)));
      expect(await follow(log, 1, [2, 0, 0])).toEqual([["c"], [], []]);
    });

    test("the next batch of a partition waits until the one before is handled", async () => {
      await log.append(Array.from({ length: 2500 }, (_, i) => append(0, `${i}`)));
      let position = offset(0);
      let inHand = 0;
      let finish: () => void = () => undefined;
      const finished = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const consumer = log.consume({
        topic: orders.name,
        position: (partition) => (partition === 0 ? position : offset(0)),
        async handle(batch) {
          expect(++inHand).toBe(1);
          for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);
          position = batch.next;
          inHand--;
          if (position === 2500) finish();
        },
      });
      await Promise.race([finished, consumer.done]);
      await consumer[Symbol.asyncDispose]();
      expect(position).toBe(2500);
    });

    test("a consumer whose handler throws fails with that error and handles nothing more", async () => {
      await log.append([append(0, "a"), append(1, "b")]);
      const broken = new Error("cannot fold");
      const consumer = log.consume({
        topic: orders.name,
        position: () => offset(0),
        handle() {
          throw broken;
        },
      });
      await expect(consumer.done).rejects.toBe(broken);
      await consumer[Symbol.asyncDispose]();
    });

    test("disposing of a consumer waits for the batch in hand", async () => {
      await log.append([append(0, "a")]);
      let release: () => void = () => undefined;
      let take: () => void = () => undefined;
      let isHandled = false;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const taken = new Promise<void>((resolve) => {
        take = resolve;
      });
      const consumer = log.consume({
        topic: orders.name,
        position: () => offset(0),
        async handle() {
          take();
          await released;
          isHandled = true;
        },
      });
      await taken;
      const disposed = consumer[Symbol.asyncDispose]();
      let isDisposed = false;
      void disposed.then(() => {
        isDisposed = true;
      });
      await log.nexts(orders.name);
      expect(isDisposed).toBe(false);
      release();
      await disposed;
      expect(isHandled).toBe(true);
    });

    test("headers come back as bytes, and where there are none there are none", async () => {
      const headers = { ce_id: "Zürich", empty: "", __proto__x: Uint8Array.of(0, 255), "ce-λ": "1" };
      await log.append([
        append(0, "with"),
        { ...append(0, "headed"), headers },
        { ...append(0, "of none"), headers: {} },
        append(0, "without"),
      ]);
      await log.append([append(0, "later")]);
      const records: LogRecord[] = [];
      for await (const batch of log.read(orders.name, 0, offset(0), offset(5)))
        records.push(...batch.records);
      expect(records.map(({ value }) => Buffer.from(value).toString())).toEqual([
        "with",
        "headed",
        "of none",
        "without",
        "later",
      ]);
      expect(records.map((record) => record.headers === undefined)).toEqual([true, false, true, true, true]);
      expect(
        Object.entries(records[1]?.headers ?? {}).map(([name, value]) => [name, [...Buffer.from(value)]]),
      ).toEqual(Object.entries(headers).map(([name, value]) => [name, [...Buffer.from(value)]]));
    });

    test("a batch says how far the partition went on when it was read", async () => {
      const total = 2_500;
      await log.append(Array.from({ length: total }, (_, i) => append(0, `${i}`)));
      const bounds: number[][] = [];
      let next = offset(0);
      const { promise, resolve } = withResolvers();
      const consumer = log.consume({
        topic: orders.name,
        partitions: [0],
        position: () => next,
        handle(batch) {
          next = batch.next;
          bounds.push([batch.next, batch.end]);
          if (next === total) resolve();
        },
      });
      await Promise.race([promise, consumer.done]);
      await consumer[Symbol.asyncDispose]();
      expect(bounds.length).toBeGreaterThan(1);
      expect(bounds.map(([, end]) => end)).toEqual(bounds.map(() => total));
      expect(bounds.at(-1)).toEqual([total, total]);
    });

    test("a consumer of some partitions gets those and no others", async () => {
      await log.append([append(0, "a"), append(1, "b"), append(2, "c")]);
      const asked = new Set<number>();
      const got: string[] = [];
      const positions = [0, 0, 0].map(offset);
      let finish: () => void = () => undefined;
      const finished = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const consumer = log.consume({
        topic: orders.name,
        partitions: [2, 0],
        position(partition) {
          asked.add(partition);
          return positions[partition] ?? offset(0);
        },
        handle({ partition, next, records }) {
          positions[partition] = next;
          got.push(...records.map(({ value }) => Buffer.from(value).toString()));
          if (got.length === 3) finish();
        },
      });
      await log.append([append(1, "not asked for"), append(2, "d")]);
      await Promise.race([finished, consumer.done]);
      await consumer[Symbol.asyncDispose]();
      expect([...asked].sort()).toEqual([0, 2]);
      expect(got.sort()).toEqual(["a", "c", "d"]);
    });

    test("what is trimmed is gone, wherever the cut falls, and reading it is refused by name", async () => {
      const texts = Array.from({ length: 10 }, (_, i) => `${i}`);
      await log.append(texts.slice(0, 4).map((text) => append(0, text)));
      await log.append([append(1, "other")]);
      await log.append(texts.slice(4).map((text) => append(0, text)));
      for (const before of [0, 3, 3, 1, 4, 9]) await log.trim(orders.name, 0, offset(before));
      expect(await log.starts(orders.name)).toEqual([9, 0, 0]);
      expect(await log.nexts(orders.name)).toEqual([10, 1, 0]);
      expect(await readTexts(log, 0, 9, 10)).toEqual(["9"]);
      const refused = {
        code: "TIDEMARK_STORE_OUT_OF_RANGE",
        message: expect.stringContaining("[9, 10)"),
      };
      await expect(readTexts(log, 0, 8, 10)).rejects.toMatchObject(refused);
      await expect(follow(log, 1, [8, 0, 0])).rejects.toMatchObject(refused);
    });

    test("a partition that was trimmed to its end goes on where it ended", async () => {
      await log.append([append(0, "a"), append(0, "b")]);
      await log.trim(orders.name, 0, offset(2));
      expect(await log.starts(orders.name)).toEqual([2, 0, 0]);
      expect(await log.nexts(orders.name)).toEqual([2, 0, 0]);
      expect((await log.append([append(0, "c")])).get(orders.name)?.get(0)).toBe(3);
      expect(await readTexts(log, 0, 2, 3)).toEqual(["c"]);
      await expect(log.trim(orders.name, 0, offset(4))).rejects.toMatchObject({
        code: "TIDEMARK_STORE_OUT_OF_RANGE",
        message: expect.stringContaining("ends at 3"),
      });
    });

    test("a reader sees every acknowledged record, and follows", async () => {
      await log.append([append(0, "a"), append(1, "b")]);
      const reader = await opened.reader();
      expect(await reader.nexts(orders.name)).toEqual([1, 1, 0]);
      const followed = await follow(reader, 3, [0, 0, 0], () => log.append([append(2, "c")]));
      expect(followed).toEqual([["a"], ["b"], ["c"]]);
      await reader[Symbol.asyncDispose]();
    });

    test("many appends at once each get their own place", async () => {
      const positions = await Promise.all(
        Array.from({ length: 500 }, (_, i) => log.append([append(i % 3, `${i}`)])),
      );
      const nexts = positions.map((position, i) => [i % 3, position.get(orders.name)?.get(i % 3)]);
      expect(new Set(nexts.map(String)).size).toBe(500);
      for (const p of [0, 1, 2]) {
        const texts = await readTexts(log, p, 0, p === 2 ? 166 : 167);
        nexts.forEach(([partition, next], i) => {
          if (partition === p) expect(texts[(next as number) - 1]).toBe(`${i}`);
        });
      }
    });
  });
}

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
