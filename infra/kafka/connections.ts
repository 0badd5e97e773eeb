import { type Offset, offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { type Address, BrokerConnection, type KafkaRequest } from "./broker-connection.ts";
import { KafkaError, noLeader, reasonOf, requireSuccess } from "./kafka-error.ts";
import { type Bound, listOffsetsRequest } from "./list-offsets.ts";
import { type Metadata, metadataRequest, type TopicMetadata } from "./metadata.ts";
import type { KafkaSettings } from "./settings.ts";

/** Connections to a Kafka cluster, one to each broker that is asked, and what is known of who leads which partition. */
export class KafkaConnections implements AsyncDisposable {
  readonly #settings: KafkaSettings;
  readonly #nodes = new Map<number, BrokerConnection>();
  /** To ask for metadata only: their brokers' ids are not known. */
  readonly #seeds = new Set<BrokerConnection>();
  #brokers: ReadonlyMap<number, Address> = new Map();
  #controller = -1;
  readonly #topics = new Map<string, TopicMetadata>();
  #isClosed = false;

  constructor(settings: KafkaSettings) {
    this.#settings = settings;
  }

  /** Asks anew. Topics that do not exist come with an error code. Throws TIDEMARK_KAFKA_UNREACHABLE if no broker answers. */
  async refresh(topics: readonly string[]): Promise<readonly TopicMetadata[]> {
    const metadata = await this.#metadata(topics);
    this.#brokers = metadata.brokers;
    this.#controller = metadata.controller;
    for (const topic of metadata.topics) {
      if (topic.errorCode === 0) this.#topics.set(topic.name, topic);
    }
    return metadata.topics;
  }

  /** How many brokers there are, as far as is known. */
  get brokers(): number {
    return this.#brokers.size;
  }

  /** The broker that takes changes of topics, by what was known last. */
  get controller(): number {
    return this.#controller;
  }

  /** The broker that leads a partition, by what was known last; undefined: refresh. */
  leader(topic: string, partition: number): number | undefined {
    const id = this.#topics.get(topic)?.partitions.find((each) => each.partition === partition)?.leader ?? -1;
    return this.#brokers.has(id) ? id : undefined;
  }

  /** By broker, the partitions that it leads. Those without a leader are left out. */
  byLeader(topic: string, partitions: readonly number[]): ReadonlyMap<number, readonly number[]> {
    const led = new Map<number, number[]>();
    for (const partition of partitions) {
      const leader = this.leader(topic, partition);
      if (leader !== undefined) led.set(leader, [...(led.get(leader) ?? []), partition]);
    }
    return led;
  }

  /** A failed connection is let go of; the next request has a new one. */
  async send<T extends object>(broker: number, request: KafkaRequest<T>): Promise<T> {
    const node = await this.#node(broker);
    try {
      return await node.send(request);
    } catch (error) {
      if (this.#nodes.get(broker) === node) this.#nodes.delete(broker);
      await node.close();
      throw error;
    }
  }

  /** By partition. Asks the leaders as they are known; what they refuse is thrown, with what is known of them made new. */
  async offsets(topic: string, partitions: readonly number[], bound: Bound): Promise<readonly Offset[]> {
    const led = this.byLeader(topic, partitions);
    const found = new Map<number, Offset>();
    try {
      const answers = await Promise.all(
        [...led].map(([broker, of]) => this.send(broker, listOffsetsRequest(topic, of, bound))),
      );
      for (const { partition, errorCode, offset: at } of answers.flatMap(({ offsets }) => offsets)) {
        requireSuccess(errorCode);
        found.set(partition, offset(at));
      }
    } catch (error) {
      await this.refresh([topic]);
      throw error;
    }
    return partitions.map((partition) => {
      const at = found.get(partition);
      if (at === undefined) throw new KafkaError(noLeader);
      return at;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const nodes = [...this.#nodes.values(), ...this.#seeds];
    this.#nodes.clear();
    await Promise.all(nodes.map((node) => node.close()));
  }

  async #metadata(topics: readonly string[]): Promise<Metadata> {
    let failure: unknown;
    for (const broker of this.#brokers.keys()) {
      try {
        return await this.send(broker, metadataRequest(topics));
      } catch (error) {
        failure = error;
      }
    }
    for (const seed of this.#settings.brokers) {
      try {
        return await this.#askSeed(seed, topics);
      } catch (error) {
        failure = error;
      }
    }
    throw (failure as Error | undefined)?.name === "KafkaJSSASLAuthenticationError"
      ? this.#refused(failure)
      : this.#unreachable(failure);
  }

  async #askSeed(seed: string, topics: readonly string[]): Promise<Metadata> {
    const [host = "", port] = seed.split(":");
    const connection = new BrokerConnection({ host, port: Number(port) }, this.#settings);
    this.#seeds.add(connection);
    try {
      return await connection.send(metadataRequest(topics));
    } finally {
      this.#seeds.delete(connection);
      await connection.close();
    }
  }

  async #node(broker: number): Promise<BrokerConnection> {
    const address = this.#brokers.get(broker);
    if (this.#isClosed) throw new TidemarkError("TIDEMARK_NOT_READY", "the connection to Kafka is closed");
    if (address === undefined) throw new KafkaError(noLeader);
    const known = this.#nodes.get(broker);
    if (known?.address.host === address.host && known.address.port === address.port) return known;
    const node = new BrokerConnection(address, this.#settings);
    this.#nodes.set(broker, node);
    await known?.close();
    return node;
  }

  #refused(cause: unknown): TidemarkError {
    return new TidemarkError(
      "TIDEMARK_CONFIG",
      `Kafka refuses us (${reasonOf(cause)}): check KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD`,
      { cause },
    );
  }

  #unreachable(cause: unknown): TidemarkError {
    const { clientId, brokers, sasl, tls } = this.#settings;
    const how = `${tls === undefined ? "without TLS" : "by TLS"}${sasl === undefined ? "" : ` and ${sasl.mechanism}`}`;
    return new TidemarkError(
      "TIDEMARK_KAFKA_UNREACHABLE",
      `no broker of KAFKA_BROKERS answers ${clientId} ${how}: ${brokers.join(", ")} (${reasonOf(cause)})`,
      { cause },
    );
  }
}
