import type { Admin, ITopicConfig } from "kafkajs";
import { expect, vi } from "vitest";

/**
 * Creates a topic and comes back once it has leaders. kafkajs' own `waitForLeaders` fails if a broker has not heard of
 * the topic yet, which a moment later it has.
 */
export async function createTopic(admin: Admin, topic: ITopicConfig): Promise<void> {
  await admin.createTopics({ topics: [topic], waitForLeaders: false });
  await vi.waitFor(
    async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic.topic] });
      for (const { leader } of topics[0]?.partitions ?? []) expect(leader).toBeGreaterThanOrEqual(0);
    },
    { timeout: 30_000, interval: 50 },
  );
}
