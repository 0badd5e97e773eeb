import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { type KafkaCluster, startKafka } from "../../infra/kafka/services/kafka.ts";
import type { KafkaNode } from "../../infra/kafka/services/kafka-node.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { type Offset, offset } from "../../views/cut.ts";

const partitions = [0, 1, 2];

interface Patience {
  readonly deliveryMs?: number;
  readonly requestTimeoutMs?: number;
}

async function open(
  kafka: KafkaCluster,
  name: string,
  warn: (warning: string) => void,
  { deliveryMs = 60_000, requestTimeoutMs = 15_000 }: Patience = {},
): Promise<KafkaLog> {
  const settings = { ...kafkaSettings({ KAFKA_BROKERS: kafka.brokers.join(",") }), requestTimeoutMs };
  return KafkaLog.open({ settings, topics: [{ name, partitions: partitions.length }], deliveryMs, warn });
}

const unheard = () => undefined;

async function create(kafka: KafkaCluster, name: string): Promise<void> {
  const admin = new TopicAdmin(kafkaSettings({ KAFKA_BROKERS: kafka.brokers.join(",") }));
  const replication = kafka.brokers.length;
  const config = { "min.insync.replicas": String(Math.max(1, replication - 1)) };
  await admin.create([{ name, partitions: partitions.length, replication, config }]);
  await admin[Symbol.asyncDispose]();
}

/**
 * Appends to all partitions without a pause, four appends of each under way, and follows them, while `disturb` does its worst;
 * then holds the log against what was acknowledged. `settled` resolves after that many more acknowledgements.
 */
async function flow(
  log: KafkaLog,
  topic: string,
  disturb: (settled: (count: number) => Promise<void>) => Promise<void>,
) {
  const written = partitions.map(() => 0);
  const acknowledged: { readonly partition: number; readonly last: string; readonly next: Offset }[] = [];
  const waiting: { readonly at: number; readonly resume: () => void }[] = [];
  let isOver = false;
  let begun = 0;
  const write = async (partition: number) => {
    while (!isOver) {
      // So that one waits while another is under way.
      for (let turns = ++begun % 7; turns > 0; turns--) await new Promise(setImmediate);
      const first = written[partition] ?? 0;
      written[partition] = first + 10;
      const texts = Array.from({ length: 10 }, (_, i) => `${partition}:${first + i}`);
      const position = await log.append(
        texts.map((text) => ({ topic, partition, key: null, value: Buffer.from(text) })),
      );
      acknowledged.push({
        partition,
        last: texts.at(-1) ?? "",
        next: position.get(topic)?.get(partition) ?? offset(0),
      });
      for (const { at, resume } of waiting) if (acknowledged.length >= at) resume();
    }
  };
  const followed = partitions.map((): { readonly offset: number; readonly text: string }[] => []);
  const positions = partitions.map(() => offset(0));
  const consumer = log.consume({
    topic,
    position: (partition) => positions[partition] ?? offset(0),
    handle({ partition, from, next, records }) {
      expect(from).toBe(positions[partition]);
      positions[partition] = next;
      followed[partition]?.push(
        ...records.map((record) => ({ offset: record.offset, text: Buffer.from(record.value).toString() })),
      );
    },
  });
  const writers = partitions.flatMap((partition) => [1, 2, 3, 4].map(() => write(partition)));
  const settled = (count: number) =>
    Promise.race([
      new Promise<void>((resume) => waiting.push({ at: acknowledged.length + count, resume })),
      consumer.done,
      ...writers,
    ]);
  await disturb(settled);
  isOver = true;
  await Promise.all(writers);
  const ends = await log.nexts(topic);
  while (positions.some((position, partition) => position < (ends[partition] ?? 0))) {
    await Promise.race([new Promise(setImmediate), consumer.done]);
  }
  await consumer[Symbol.asyncDispose]();

  for (const partition of partitions) {
    const texts = followed[partition]?.map(({ text }) => text) ?? [];
    // What was sent again stands twice; where each first stands is the order of the calls, and nothing is missing.
    expect([...new Set(texts)]).toEqual(
      Array.from({ length: written[partition] ?? 0 }, (_, i) => `${partition}:${i}`),
    );
  }
  for (const { partition, last, next } of acknowledged) {
    expect(followed[partition]?.find((record) => record.offset === next - 1)?.text).toBe(last);
  }
}

describe("one broker", () => {
  let kafka: KafkaCluster;
  let node: KafkaNode;

  beforeAll(async () => {
    kafka = await startKafka({ brokers: 1 });
    node = kafka.nodes[0] as KafkaNode;
  });
  afterAll(() => kafka[Symbol.asyncDispose]());

  test("killed and started again: what was acknowledged is there, in order, and a consumer goes on where it was", async () => {
    await create(kafka, "killed");
    const warnings: string[] = [];
    const log = await open(kafka, "killed", (warning) => warnings.push(warning));
    await flow(log, "killed", async (settled) => {
      await settled(100);
      await node.kill();
      await node.start();
      await settled(100);
    });
    expect(warnings.some((warning) => /appending to Kafka is tried again/.test(warning))).toBe(true);
    expect(warnings.some((warning) => /killed\/.* is fetched again/.test(warning))).toBe(true);
    await log[Symbol.asyncDispose]();
  });

  test("that hangs is given up, asked again, and loses nothing", async () => {
    await create(kafka, "hanging");
    let givenUp: () => void = () => undefined;
    const timedOut = new Promise<void>((resolve) => {
      givenUp = resolve;
    });
    const heard = new Set<string>();
    const warn = (warning: string) => {
      if (!/timed out/.test(warning)) return;
      heard.add(warning.startsWith("appending") ? "append" : "fetch");
      if (heard.size === 2) givenUp();
    };
    const log = await open(kafka, "hanging", warn, { requestTimeoutMs: 1_000 });
    await flow(log, "hanging", async (settled) => {
      await settled(50);
      node.pause();
      await timedOut;
      node.resume();
      await settled(50);
    });
    await log[Symbol.asyncDispose]();
  });

  test("that is gone: an append is refused in time, the log closes in time, and both work when it is back", async () => {
    await create(kafka, "gone");
    const log = await open(kafka, "gone", unheard, { deliveryMs: 400 });
    const append = (text: string) =>
      log.append([{ topic: "gone", partition: 0, key: null, value: Buffer.from(text) }]);
    await append("a");
    const other = await open(kafka, "gone", unheard, { deliveryMs: 400 });
    const consumer = other.consume({ topic: "gone", position: () => offset(1), handle: () => undefined });
    await node.kill();
    await expect(append("b")).rejects.toMatchObject({
      code: "TIDEMARK_INGEST_LOG",
      status: 503,
      canRetry: true,
      message: expect.stringMatching(/gone\/0 could not be appended to for 400 ms/),
    });
    const startedAt = performance.now();
    await other[Symbol.asyncDispose]();
    await consumer.done;
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await expect(open(kafka, "gone", unheard)).rejects.toMatchObject({ code: "TIDEMARK_KAFKA_UNREACHABLE" });
    await node.start();
    while (
      !(await append("c").then(
        () => true,
        () => false,
      ))
    );
    await log[Symbol.asyncDispose]();
  });
});

test("three brokers, the leader of a partition killed: the others take over, and nothing acknowledged is lost", async () => {
  // A broker that is dead is known to be after two seconds, instead of nine.
  const config = { "broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500" };
  const kafka = await startKafka({ brokers: 3, config });
  try {
    await create(kafka, "replicated");
    const log = await open(kafka, "replicated", unheard);
    await flow(log, "replicated", async (settled) => {
      await settled(50);
      await kafka.nodes[0]?.kill();
      await settled(100);
      await kafka.nodes[0]?.start();
      await settled(50);
    });
    await log[Symbol.asyncDispose]();
  } finally {
    await kafka[Symbol.asyncDispose]();
  }
}, 180_000);
