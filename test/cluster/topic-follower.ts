import { Kafka, logLevel } from "kafkajs";
import { inject } from "vitest";

export interface Followed {
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** A consumer group of one kafkajs client, which knows nothing of Tidemark, from the beginning of a topic on. */
export class TopicFollower implements AsyncDisposable {
  /** In the order in which they came. */
  readonly records: Followed[] = [];
  readonly #consumer;

  static async start(
    topic: string,
    group: string,
    handle: (record: Followed) => Promise<void> = async () => undefined,
  ): Promise<TopicFollower> {
    const follower = new TopicFollower(group);
    await follower.#consumer.connect();
    await follower.#consumer.subscribe({ topics: [topic], fromBeginning: true });
    await follower.#consumer.run({
      eachMessage: async ({ partition, message: { offset, key, value } }) => {
        const record = {
          ...{ partition, offset: Number(offset) },
          ...{ key: key?.toString() ?? null, value: value?.toString() ?? null },
        };
        await handle(record);
        follower.records.push(record);
      },
    });
    return follower;
  }

  private constructor(group: string) {
    const kafka = new Kafka({ brokers: [...inject("kafkaBrokers")], logLevel: logLevel.NOTHING });
    this.#consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 50 });
  }

  /** The offsets that came of each partition, in their order. */
  get offsets(): Readonly<Record<number, readonly number[]>> {
    const offsets: Record<number, number[]> = {};
    for (const { partition, offset } of this.records) {
      offsets[partition] ??= [];
      offsets[partition].push(offset);
    }
    return offsets;
  }

  /** The last value of each key, as who keeps a table of the topic has it. */
  get table(): ReadonlyMap<string, string> {
    const table = new Map<string, string>();
    for (const { key, value } of this.records) {
      if (key === null) continue;
      if (value === null) table.delete(key);
      else table.set(key, value);
    }
    return table;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer.disconnect();
  }
}
