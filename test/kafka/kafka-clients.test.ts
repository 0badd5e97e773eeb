import { CompressionTypes, Kafka, logLevel } from "kafkajs";
import { expect, inject, onTestFinished, test } from "vitest";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import type { LogRecord } from "../../infra/log/log.ts";
import { offset } from "../../views/cut.ts";
import { freshTopics } from "./fresh-topics.ts";

/** A log of one partition, and kafkajs, which knows nothing of it. */
async function sharedTopic(config: Record<string, string> = {}) {
  const topics = await freshTopics();
  const name = await topics.create("shared", { config });
  const settings = kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });
  const log = await KafkaLog.open({ settings, topics: [{ name, partitions: 1 }] });
  onTestFinished(() => log[Symbol.asyncDispose]());
  const kafka = new Kafka({ brokers: [...topics.brokers], logLevel: logLevel.NOTHING });
  return { name, log, kafka, group: topics.name("group") };
}

async function readAll(log: KafkaLog, topic: string): Promise<readonly LogRecord[]> {
  const [next = offset(0)] = await log.nexts(topic);
  const records: LogRecord[] = [];
  let at = 0;
  for await (const batch of log.read(topic, 0, offset(0), next)) {
    expect(batch.from).toBe(at);
    at = batch.next;
    records.push(...batch.records);
  }
  expect(at).toBe(next);
  return records;
}

test("what another client writes is read as it is: keys, headers, times, no value at all", async () => {
  const { name, log, kafka } = await sharedTopic();
  const producer = kafka.producer();
  await producer.connect();
  const headers = { ce_id: "1", "content-type": "application/json" };
  await producer.send({
    topic: name,
    messages: [
      { key: "Zürich", value: "{}", headers, timestamp: "981173106000" },
      { key: null, value: null },
    ],
  });
  await producer.send({
    topic: name,
    compression: CompressionTypes.GZIP,
    messages: Array.from({ length: 500 }, (_, i) => ({ value: `zipped ${i}` })),
  });
  await producer.disconnect();
  const [first, second, ...zipped] = await readAll(log, name);
  expect(first).toMatchObject({ offset: 0, key: "Zürich", timestampMs: 981173106000 });
  expect(
    Object.entries(first?.headers ?? {}).map(([key, value]) => [key, Buffer.from(value).toString()]),
  ).toEqual(Object.entries(headers));
  expect([second?.key, second?.value.length, second?.headers]).toEqual([null, 0, undefined]);
  expect(zipped.map(({ value }) => Buffer.from(value).toString())).toEqual(
    Array.from({ length: 500 }, (_, i) => `zipped ${i}`),
  );
});

test("what the log appends another client reads as it was", async () => {
  const { name, log, kafka, group } = await sharedTopic();
  const long = "x".repeat(100_000);
  await log.append([
    { topic: name, partition: 0, key: "k", value: Buffer.from("a"), headers: { ce_id: "1", empty: "" } },
    { topic: name, partition: 0, key: null, value: Buffer.from(long) },
  ]);
  const consumer = kafka.consumer({ groupId: group });
  await consumer.connect();
  await consumer.subscribe({ topics: [name], fromBeginning: true });
  const seen: unknown[] = [];
  await new Promise<void>((resolve) => {
    void consumer.run({
      eachMessage: async ({ message: { key, value, headers } }) => {
        seen.push([
          key?.toString(),
          value?.toString(),
          headers?.ce_id?.toString(),
          headers?.empty?.toString(),
        ]);
        if (seen.length === 2) resolve();
      },
    });
  });
  await consumer.disconnect();
  expect(seen).toEqual([
    ["k", "a", "1", ""],
    [undefined, long, undefined, undefined],
  ]);
});

test("a transaction is seen once it is committed, never if it is aborted, and its markers are gaps that are passed", async () => {
  const { name, log, kafka, group } = await sharedTopic();
  const producer = kafka.producer({ transactionalId: group, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  const write = async (text: string, commit: boolean) => {
    const transaction = await producer.transaction();
    await transaction.send({ topic: name, messages: [{ value: text }] });
    await (commit ? transaction.commit() : transaction.abort());
  };
  const open = await producer.transaction();
  await open.send({ topic: name, messages: [{ value: "first" }] });
  expect([await log.nexts(name), await log.written(name)]).toEqual([[0], [1]]);
  await open.commit();
  for (const [text, commit] of [
    ["lost", false],
    ["second", true],
    ["lost too", false],
  ] as const) {
    await write(text, commit);
  }
  await producer.disconnect();
  // Each transaction is a record and its marker, which Kafka writes after it has answered.
  while (((await log.nexts(name))[0] ?? 0) < 8);
  expect(await log.nexts(name)).toEqual([8]);
  const records = await readAll(log, name);
  expect(records.map((record) => `${record.offset} ${Buffer.from(record.value)}`)).toEqual([
    "0 first",
    "4 second",
  ]);

  // A consumer reaches the very end, though nothing but a marker stands there, and goes on from there.
  let position = offset(0);
  let reached: () => void = () => undefined;
  const end = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const consumer = log.consume({
    topic: name,
    position: () => position,
    handle({ from, next }) {
      expect(from).toBe(position);
      position = next;
      if (next === 8) reached();
    },
  });
  await Promise.race([end, consumer.done]);
  await consumer[Symbol.asyncDispose]();
  expect(position).toBe(8);
});
