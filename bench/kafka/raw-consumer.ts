import { randomUUID } from "node:crypto";
import { Kafka, logLevel } from "kafkajs";

/**
 * Milliseconds that kafkajs takes, from when it is assigned the topic, until it has read so many records from its
 * beginning on.
 */
export async function readRaw(
  brokers: readonly string[],
  topic: string,
  events: number,
  onValue: ((value: Buffer) => void) | undefined,
): Promise<number> {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `bench.${randomUUID()}` });
  let assignedAt = Number.NaN;
  consumer.on(consumer.events.GROUP_JOIN, () => {
    assignedAt = performance.now();
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      let left = events;
      const eachBatch = async ({ batch }: { batch: { messages: readonly { value: Buffer | null }[] } }) => {
        if (onValue !== undefined) for (const { value } of batch.messages) if (value !== null) onValue(value);
        left -= batch.messages.length;
        if (left <= 0) resolve();
      };
      consumer.run({ autoCommit: false, eachBatch }).catch(reject);
    });
    return performance.now() - assignedAt;
  } finally {
    await consumer.disconnect();
  }
}
