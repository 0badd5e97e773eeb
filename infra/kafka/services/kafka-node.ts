import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { GuardedProcess } from "./guarded-process.ts";
import type { KafkaProgram } from "./kafka-program.ts";
import {
  type KafkaConfig,
  loggingProperties,
  metaProperties,
  type NodeSettings,
  serverProperties,
} from "./kafka-properties.ts";
import { untilReady } from "./until-ready.ts";

/** One broker: what becomes of it is up to the caller, and its address stays. */
export class KafkaNode {
  readonly address: string;
  readonly #program: KafkaProgram;
  readonly #settings: NodeSettings;
  #process: GuardedProcess | undefined;

  private constructor(program: KafkaProgram, settings: NodeSettings) {
    this.#program = program;
    this.#settings = settings;
    this.address = `127.0.0.1:${settings.port}`;
  }

  static async create(
    program: KafkaProgram,
    settings: NodeSettings,
    nodes: readonly NodeSettings[],
    config: KafkaConfig,
  ): Promise<KafkaNode> {
    const { folder } = settings;
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "meta.properties"), metaProperties(settings), { flag: "wx" }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      },
    );
    await writeFile(`${folder}.properties`, serverProperties(settings, nodes, config));
    await writeFile(`${folder}.logging.properties`, loggingProperties);
    return new KafkaNode(program, settings);
  }

  get #name(): string {
    return `Kafka broker ${this.#settings.id}`;
  }

  get #log(): string {
    return `${this.#settings.folder}.log`;
  }

  get pid(): number | undefined {
    return this.#process?.hasEnded === false ? this.#process.pid : undefined;
  }

  /** Comes back once it answers, and knows of at least so many brokers, itself among them. */
  async start(leastBrokers = 1): Promise<void> {
    if (this.pid !== undefined) return;
    const { folder, id } = this.#settings;
    const { java, options, classPath } = this.#program;
    this.#process = await GuardedProcess.start(
      java,
      [
        ...options,
        `-Dlog4j2.configurationFile=${folder}.logging.properties`,
        ...["-cp", classPath, "kafka.Kafka", `${folder}.properties`],
      ],
      this.#log,
    );
    await untilReady(this.#name, this.#process, this.#log, async () => {
      const known = await this.#knownBrokers();
      return known.includes(id) && known.length >= leastBrokers;
    });
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Lets it hand over its partitions and close its files first. */
  async stop(graceMs?: number): Promise<void> {
    await this.#process?.stop(graceMs);
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  /**
   * Comes back once consumer groups can be joined: the first request for one makes the topic of their positions, and
   * until that is there kafkajs' consumers crash and begin anew.
   */
  async awaitGroups(): Promise<void> {
    if (this.#process === undefined) return;
    await untilReady(`the group coordinator of ${this.#name}`, this.#process, this.#log, () =>
      this.#ask(async (admin) => {
        // A client that has not asked for metadata knows of no broker to ask for a coordinator.
        await admin.describeCluster();
        await admin.fetchOffsets({ groupId: "ready" });
        return true;
      }, false),
    );
  }

  /** The ids of the brokers that this one answers a request for metadata with; none if it does not answer. */
  #knownBrokers(): Promise<readonly number[]> {
    return this.#ask(
      async (admin) => (await admin.describeCluster()).brokers.map(({ nodeId }) => nodeId),
      [],
    );
  }

  async #ask<T>(question: (admin: Admin) => Promise<T>, noAnswer: T): Promise<T> {
    const admin = new Kafka({
      brokers: [this.address],
      connectionTimeout: 2_000,
      requestTimeout: 2_000,
      retry: { retries: 0 },
      logLevel: logLevel.NOTHING,
    }).admin();
    try {
      await admin.connect();
      return await question(admin);
    } catch {
      return noAnswer;
    } finally {
      await admin.disconnect();
    }
  }
}
