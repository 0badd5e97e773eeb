import { randomBytes } from "node:crypto";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { inject, onTestFinished } from "vitest";
import { createTopic } from "./create-topic.ts";

/** Topics of one test on the broker that all share. They are deleted when the test is over. */
export interface FreshTopics {
  readonly brokers: readonly string[];
  readonly admin: Admin;
  /** A name that no other test has, in the form of event types; the same for the same `label`. Good for groups too. */
  name(label: string): string;
  /** Creates the topic of that name. */
  create(label: string, options?: { partitions?: number; config?: Record<string, string> }): Promise<string>;
}

/** To be called inside a test. */
export async function freshTopics(): Promise<FreshTopics> {
  const brokers = inject("kafkaBrokers");
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.ERROR }).admin();
  const id = `t${randomBytes(6).toString("hex")}`;
  const name = (label: string) => `test.${id}.${label}`;
  await admin.connect();
  onTestFinished(async () => {
    const ours = (await admin.listTopics()).filter((topic) => topic.startsWith(name("")));
    if (ours.length > 0) await admin.deleteTopics({ topics: ours });
    await admin.disconnect();
  });
  return {
    brokers,
    admin,
    name,
    async create(label, { partitions = 1, config = {} } = {}) {
      const topic = name(label);
      const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }));
      await createTopic(admin, { topic, numPartitions: partitions, configEntries });
      return topic;
    },
  };
}
