import { Kafka, logLevel } from "kafkajs";
import { inject } from "vitest";

/** Every record of the topics from their beginnings to their ends, as a client reads them that knows nothing of Tidemark. */
export async function readTopics(
  topics: readonly string[],
): Promise<readonly { topic: string; text: string }[]> {
  const kafka = new Kafka({ brokers: [...inject("kafkaBrokers")], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const left = new Map<string, number>();
  for (const topic of topics) {
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic))
      if (Number(low) < Number(high)) left.set(`${topic}/${partition}`, Number(high));
  }
  await admin.disconnect();
  const consumer = kafka.consumer({ groupId: `${topics[0]}.searched`, maxWaitTimeInMs: 20 });
  const read: { topic: string; text: string }[] = [];
  await consumer.connect();
  await consumer.subscribe({ topics: [...topics], fromBeginning: true });
  await new Promise<void>((resolve) => {
    void consumer.run({
      eachMessage: async ({ topic, partition, message: { offset, key, value, headers } }) => {
        const text = [key, value, ...Object.values(headers ?? {})]
          .map((part) => part?.toString("latin1"))
          .join("\n");
        read.push({ topic, text });
        const end = left.get(`${topic}/${partition}`) ?? 0;
        if (Number(offset) + 1 >= end) left.delete(`${topic}/${partition}`);
        if (left.size === 0) resolve();
      },
    });
  });
  await consumer.disconnect();
  return read;
}
