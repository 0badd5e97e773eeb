import { setTimeout } from "node:timers/promises";
import { Kafka, logLevel } from "kafkajs";
import { expect, onTestFinished, test } from "vitest";
import { freshTopics } from "./fresh-topics.ts";

test("kafkajs and the broker understand each other: topics, acknowledged records, groups and their positions", async () => {
  const topics = await freshTopics();
  const topic = await topics.create("landed", { partitions: 2, config: { "retention.ms": "3600000" } });
  const kafka = new Kafka({ brokers: [...topics.brokers], logLevel: logLevel.ERROR });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({
    topic,
    acks: -1,
    messages: [{ key: "ORD", value: "late", headers: { ce_id: "1" }, partition: 1 }],
  });
  await producer.disconnect();

  const groupId = topics.name("group");
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const read = new Promise<string>((resolve) => {
    void consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message: { offset, key, value, headers } }) =>
        resolve(`${partition}/${offset} ${key} ${value} ${headers?.ce_id}`),
    });
  });
  expect(await Promise.race([read, setTimeout(30_000, "nothing", { ref: false })])).toBe("1/0 ORD late 1");
  await consumer.commitOffsets([{ topic, partition: 1, offset: "1" }]);
  await consumer.disconnect();

  const [position] = await topics.admin.fetchOffsets({ groupId, topics: [topic] });
  expect(position?.partitions.find(({ partition }) => partition === 1)?.offset).toBe("1");
  await topics.admin.deleteGroups([groupId]);
});

test("what the broker is not told to create it does not create", async () => {
  const topics = await freshTopics();
  const kafka = new Kafka({ brokers: [...topics.brokers], logLevel: logLevel.NOTHING });
  // Asks for the topic in the way that has a broker create it, if it does so.
  const producer = kafka.producer({ allowAutoTopicCreation: true, retry: { retries: 2 } });
  await producer.connect();
  onTestFinished(() => producer.disconnect());
  await expect(
    producer.send({ topic: topics.name("nowhere"), messages: [{ value: "lost" }] }),
  ).rejects.toThrow("does not host this topic-partition");
});
