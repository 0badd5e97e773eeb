import type { TopicMetadata } from "./metadata.ts";
import type { NewTopic, TopicConfig } from "./topic-requests.ts";
import type { WantedTopic } from "./topics.ts";

/** What is to be done about one topic. */
export type TopicStep = {
  readonly topic: WantedTopic;
} & (
  | { readonly kind: "create"; readonly create: NewTopic }
  | { readonly kind: "change"; readonly changes: readonly ConfigChange[] }
  | { readonly kind: "unchanged" }
  | { readonly kind: "refused"; readonly reason: string }
);

export interface ConfigChange {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** Kafka as it is. */
export interface KafkaTopics {
  readonly brokers: number;
  readonly topics: readonly TopicMetadata[];
  readonly configs: ReadonlyMap<string, TopicConfig>;
}

/** From what there is to what is wanted, without deleting anything and without moving a key to another partition. */
export function planTopics(wanted: readonly WantedTopic[], kafka: KafkaTopics): readonly TopicStep[] {
  return wanted.map((topic) => planTopic(topic, kafka));
}

function planTopic(topic: WantedTopic, kafka: KafkaTopics): TopicStep {
  const found = kafka.topics.find(({ name, errorCode }) => name === topic.name && errorCode === 0);
  const replication = found?.partitions[0]?.replicas ?? topic.replication ?? Math.min(3, kafka.brokers);
  const reason = refusal(topic, found, replication, kafka.brokers);
  if (reason !== undefined) return { topic, kind: "refused", reason };
  const { name, partitions } = topic;
  const config = {
    ...topic.config,
    "min.insync.replicas": String(topic.minInsyncReplicas ?? Math.max(1, replication - 1)),
  };
  if (found === undefined)
    return { topic, kind: "create", create: { name, partitions, replication, config } };
  const present = kafka.configs.get(name) ?? {};
  const changes = Object.entries(config)
    .filter(([key, to]) => present[key] !== to)
    .map(([key, to]) => ({ name: key, from: present[key] ?? "", to }));
  return changes.length === 0 ? { topic, kind: "unchanged" } : { topic, kind: "change", changes };
}

function refusal(
  topic: WantedTopic,
  found: TopicMetadata | undefined,
  replication: number,
  brokers: number,
): string | undefined {
  const { partitions, minInsyncReplicas = 1 } = topic;
  if (found !== undefined && found.partitions.length !== partitions) {
    return `it is declared with ${partitions} partitions, but Kafka has it with ${found.partitions.length}: the number can't change, or keys would move. Declare ${found.partitions.length}, or give the event type a new name`;
  }
  if (found !== undefined && topic.replication !== undefined && topic.replication !== replication) {
    return `it is declared with replication ${topic.replication}, but Kafka has it with ${replication}: move its partitions by kafka-reassign-partitions, or declare ${replication}`;
  }
  if (found === undefined && replication > brokers) {
    return `it is declared with replication ${replication}, but there ${brokers === 1 ? "is 1 broker" : `are ${brokers} brokers`}`;
  }
  if (minInsyncReplicas > replication) {
    return `it is declared with minInsyncReplicas ${minInsyncReplicas}, but has ${replication} replica${replication === 1 ? "" : "s"}: nothing could be appended`;
  }
  return undefined;
}
