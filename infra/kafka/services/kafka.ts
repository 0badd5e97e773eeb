import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { GuardedProcess } from "./guarded-process.ts";
import { type KafkaProgram, obtainKafka } from "./kafka-program.ts";
import {
  type KafkaConfig,
  loggingProperties,
  metaProperties,
  type NodeSettings,
  serverProperties,
} from "./kafka-properties.ts";
import { freePorts } from "./ports.ts";
import { untilReady } from "./until-ready.ts";

export interface KafkaOptions {
  readonly brokers: 1 | 3;
  /** Kept if it is named, else a temporary one. */
  readonly folder?: string;
  /** Of the brokers, by Kafka's names; they come before what is set here. */
  readonly config?: KafkaConfig;
  readonly report?: (what: string) => void;
}

/** A real Apache Kafka on 127.0.0.1; it ends with this process. Disposing of it kills it. */
export interface KafkaCluster extends AsyncDisposable {
  /** `127.0.0.1:port` of each. */
  readonly brokers: readonly string[];
  readonly nodes: readonly KafkaNode[];
}

/** Starts one or three brokers, on ports that are free and stay theirs, and comes back once each knows of all. */
export async function startKafka(options: KafkaOptions): Promise<KafkaCluster> {
  const program = await obtainKafka(options.report);
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "tidemark-kafka-")));
  const ports = await freePorts(2 * options.brokers);
  const settings = Array.from({ length: options.brokers }, (_, index): NodeSettings => {
    const [port = 0, controllerPort = 0] = ports.slice(2 * index);
    return { id: index + 1, port, controllerPort, folder: join(folder, `broker-${index + 1}`) };
  });
  const nodes = await Promise.all(
    settings.map((own) => KafkaNode.create(program, own, settings, options.config ?? {})),
  );
  const dispose = async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(nodes.map((node) => node.start(nodes.length)));
  } catch (error) {
    await dispose();
    throw error;
  }
  return { brokers: nodes.map(({ address }) => address), nodes, [Symbol.asyncDispose]: dispose };
}

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

  get pid(): number | undefined {
    return this.#process?.hasEnded === false ? this.#process.pid : undefined;
  }

  /** Comes back once it answers, and knows of at least so many brokers, itself among them. */
  async start(leastBrokers = 1): Promise<void> {
    if (this.pid !== undefined) return;
    const { folder, id } = this.#settings;
    const { java, classPath } = this.#program;
    const log = `${folder}.log`;
    this.#process = await GuardedProcess.start(
      java,
      [
        ...["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
        `-Dlog4j2.configurationFile=${folder}.logging.properties`,
        ...["-cp", classPath, "kafka.Kafka", `${folder}.properties`],
      ],
      log,
    );
    await untilReady(`Kafka broker ${id}`, this.#process, log, async () => {
      const known = await this.#knownBrokers();
      return known.includes(id) && known.length >= leastBrokers;
    });
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Lets it hand over its partitions and close its files first. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  /** The ids of the brokers that this one answers a request for metadata with; none if it does not answer. */
  async #knownBrokers(): Promise<readonly number[]> {
    const admin = new Kafka({
      brokers: [this.address],
      connectionTimeout: 2_000,
      requestTimeout: 2_000,
      retry: { retries: 0 },
      logLevel: logLevel.NOTHING,
    }).admin();
    try {
      await admin.connect();
      return (await admin.describeCluster()).brokers.map(({ nodeId }) => nodeId);
    } catch {
      return [];
    } finally {
      await admin.disconnect();
    }
  }
}
