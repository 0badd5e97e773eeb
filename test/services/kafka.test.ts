import { Kafka, logLevel, type Producer } from "kafkajs";
import { afterEach, expect, test } from "vitest";
import { startKafka } from "../../infra/kafka/services/kafka.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { createTopic } from "../kafka/create-topic.ts";

let lifecycle = new Lifecycle();

afterEach(async () => {
  const ended = lifecycle;
  lifecycle = new Lifecycle();
  await ended[Symbol.asyncDispose]();
});

test("a broker that was killed, stopped or paused is found at its address again, with what it acknowledged", async () => {
  const kafka = lifecycle.use(await startKafka({ brokers: 1 }));
  const [node] = kafka.nodes;
  if (node === undefined) throw new Error("a cluster has a node");
  const { producer, end } = await topicOf(kafka.brokers);

  await append(producer, "before");
  await node.kill();
  expect(node.pid).toBeUndefined();
  await node.start();
  await append(producer, "after a kill");
  await node.stop();
  await node.start();
  await append(producer, "after a stop");
  node.pause();
  const appended = append(producer, "during a pause");
  node.resume();
  await appended;
  expect(await end()).toBe(4);
});

test("of three brokers one can be missing: what all had acknowledged is there, and more is acknowledged", async () => {
  const kafka = lifecycle.use(await startKafka({ brokers: 3 }));
  const { producer, end, leader } = await topicOf(kafka.brokers);

  await append(producer, "by three");
  const missing = kafka.nodes[(await leader()) - 1];
  await missing?.kill();
  await append(producer, "by two");
  expect(await end()).toBe(2);
  await missing?.start(3);
  await append(producer, "by three again");
  expect(await end()).toBe(3);
});

const topic = "services.test.record";

interface TopicInUse {
  readonly producer: Producer;
  end(): Promise<number>;
  /** The id of the broker that leads its partition. */
  leader(): Promise<number>;
}

async function topicOf(brokers: readonly string[]): Promise<TopicInUse> {
  const kafka = new Kafka({
    brokers: [...brokers],
    requestTimeout: 5_000,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 60 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  const producer = kafka.producer();
  await admin.connect();
  await producer.connect();
  lifecycle.defer(() => admin.disconnect());
  lifecycle.defer(() => producer.disconnect());
  await createTopic(admin, { topic });
  return {
    producer,
    end: async () => Number((await admin.fetchTopicOffsets(topic))[0]?.high),
    leader: async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]?.partitions[0]?.leader ?? 0;
    },
  };
}

async function append(producer: Producer, value: string): Promise<void> {
  await producer.send({ topic, acks: -1, messages: [{ value }] });
}
