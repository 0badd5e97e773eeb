import { TidemarkError } from "../../views/errors.ts";
import type { Topic } from "../log/log.ts";
import type { TopicMetadata } from "./metadata.ts";

/** Throws what is wrong with the topics as Kafka has them: TIDEMARK_KAFKA_TOPIC_MISSING, TIDEMARK_KAFKA_PARTITIONS. */
export function requireTopics(topics: readonly Topic[], found: readonly TopicMetadata[]): void {
  for (const topic of topics) {
    const known = found.find(({ name }) => name === topic.name);
    if (known === undefined || known.errorCode !== 0) throw missingTopic(topic.name);
    if (known.partitions.length !== topic.partitions) throw wrongPartitions(topic, known.partitions.length);
  }
}

export function missingTopic(name: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_KAFKA_TOPIC_MISSING",
    `Kafka has no topic "${name}": create it by \`tidemark topics apply\``,
  );
}

export function wrongPartitions({ name, partitions }: Topic, found: number): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_KAFKA_PARTITIONS",
    `topic "${name}" is declared with ${partitions} partitions, but Kafka has it with ${found}: the number can't change, or keys would move. Declare ${found}, or give the event type a new name`,
  );
}
