import { TidemarkError } from "../../views/errors.ts";
import type { Timers } from "../timers.ts";
import { Backoff } from "./backoff.ts";
import type { KafkaRequest } from "./broker-connection.ts";
import { KafkaConnections } from "./connections.ts";
import { isPassing, KafkaError } from "./kafka-error.ts";
import type { KafkaSettings } from "./settings.ts";
import { planTopics, type TopicStep } from "./topic-plan.ts";
import {
  alterTopicsRequest,
  createTopicsRequest,
  deleteTopicsRequest,
  describeTopicsRequest,
  type NewTopic,
  type TopicAnswers,
  type TopicConfig,
} from "./topic-requests.ts";
import type { WantedTopic } from "./topics.ts";

/** The topics of a Kafka cluster: looks at them, makes them and sets how they are kept. */
export class TopicAdmin implements AsyncDisposable {
  readonly #connections: KafkaConnections;
  readonly #timers: Timers;

  constructor(settings: KafkaSettings, timers: Timers = globalThis) {
    this.#connections = new KafkaConnections(settings);
    this.#timers = timers;
  }

  /** What is to be done. Changes nothing. TIDEMARK_KAFKA_UNREACHABLE if no broker answers. */
  async plan(wanted: readonly WantedTopic[]): Promise<readonly TopicStep[]> {
    const topics = await this.#connections.refresh(wanted.map(({ name }) => name));
    const there = topics.filter(({ errorCode }) => errorCode === 0).map(({ name }) => name);
    const keys = [...new Set(wanted.flatMap(({ config }) => Object.keys(config))), "min.insync.replicas"];
    const configs = await this.configs(there, keys);
    return planTopics(wanted, { brokers: this.#connections.brokers, topics, configs });
  }

  /** Does what the plan says, but for what it refuses: none of it is done then. TIDEMARK_KAFKA_TOPICS with Kafka's reason. */
  async apply(steps: readonly TopicStep[]): Promise<void> {
    const refused = steps.flatMap((step) => (step.kind === "refused" ? [step] : []));
    if (refused.length > 0) {
      throw new TidemarkError(
        "TIDEMARK_KAFKA_TOPICS",
        refused.map(({ topic, reason }) => `topic "${topic.name}": ${reason}`).join("; "),
      );
    }
    const changes = new Map<string, TopicConfig>();
    for (const step of steps) {
      if (step.kind === "change")
        changes.set(step.topic.name, Object.fromEntries(step.changes.map(({ name, to }) => [name, to])));
    }
    await this.create(steps.flatMap((step) => (step.kind === "create" ? [step.create] : [])));
    if (changes.size > 0) await this.#alter(changes);
  }

  /** Comes back once each partition has a leader. A topic that is there already is left as it is. */
  async create(topics: readonly NewTopic[]): Promise<void> {
    if (topics.length === 0) return;
    await this.#change(createTopicsRequest(topics), topicExists);
    const names = topics.map(({ name }) => name);
    await this.#until(`${names.join(", ")}: not every partition has a leader yet`, async () => {
      const known = await this.#connections.refresh(names);
      return topics.every(({ name, partitions }) => {
        const found = known.find((topic) => topic.name === name)?.partitions ?? [];
        return found.length === partitions && found.every(({ leader }) => leader >= 0);
      });
    });
  }

  /** For what was made to be thrown away. */
  async delete(topics: readonly string[]): Promise<void> {
    await this.#change(deleteTopicsRequest(topics), 0);
    await this.#until(`${topics.join(", ")}: not gone yet`, async () => {
      const known = await this.#connections.refresh(topics);
      return known.every(({ errorCode }) => errorCode !== 0);
    });
  }

  /** What is in force of `keys`, by topic. */
  async configs(
    topics: readonly string[],
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, TopicConfig>> {
    if (topics.length === 0) return new Map();
    return (await this.#ask(describeTopicsRequest(topics, keys))).configs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections[Symbol.asyncDispose]();
  }

  async #change(request: KafkaRequest<TopicAnswers>, allowed: number): Promise<void> {
    const { answers } = await this.#ask(request);
    for (const { topic, errorCode, message } of answers) {
      if (errorCode === 0 || errorCode === allowed) continue;
      const cause = new KafkaError(errorCode);
      throw new TidemarkError(
        "TIDEMARK_KAFKA_TOPICS",
        `Kafka refuses topic "${topic}": ${message ?? cause.message}`,
        { cause },
      );
    }
  }

  /** A broker hears of changes a moment after they are made. */
  async #alter(changes: ReadonlyMap<string, TopicConfig>): Promise<void> {
    await this.#change(alterTopicsRequest(changes), 0);
    const keys = [...new Set([...changes.values()].flatMap((config) => Object.keys(config)))];
    await this.#until(`${[...changes.keys()].join(", ")}: not in force yet`, async () => {
      const found = await this.configs([...changes.keys()], keys);
      return [...changes].every(([topic, config]) =>
        Object.entries(config).every(([name, value]) => found.get(topic)?.[name] === value),
      );
    });
  }

  async #until(otherwise: string, isSo: () => Promise<boolean>): Promise<void> {
    for (const backoff = new Backoff(this.#timers); !(await isSo()); await backoff.pause()) {
      if (backoff.tries > 8) throw new TidemarkError("TIDEMARK_KAFKA_TOPICS", otherwise);
    }
  }

  async #ask<T extends object>(request: KafkaRequest<T>): Promise<T> {
    for (const backoff = new Backoff(this.#timers); ; await backoff.pause()) {
      await this.#connections.refresh([]);
      try {
        return await this.#connections.send(this.#connections.controller, request);
      } catch (error) {
        if (!isPassing(error) || backoff.tries > 6) throw error;
      }
    }
  }
}

const topicExists = 36;
