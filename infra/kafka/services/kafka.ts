import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withClassArchive } from "./class-archive.ts";
import { KafkaNode } from "./kafka-node.ts";
import { obtainKafka } from "./kafka-program.ts";
import type { KafkaConfig, NodeSettings } from "./kafka-properties.ts";
import { freePorts } from "./ports.ts";

export interface KafkaOptions {
  readonly brokers: 1 | 3;
  /** Kept if it is named, else a temporary one. */
  readonly folder?: string;
  /** Where to listen, if nobody else does; else, and by default, on ports that are free. */
  readonly ports?: readonly number[];
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
  const program = await withClassArchive(await obtainKafka(options.report), options.report);
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "tidemark-kafka-")));
  const ports = await freePorts(options.brokers, options.ports);
  const controllerPorts = await freePorts(options.brokers);
  const settings = ports.map((port, index): NodeSettings => {
    const id = index + 1;
    return { id, port, controllerPort: controllerPorts[index] ?? 0, folder: join(folder, `broker-${id}`) };
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
    await nodes[0]?.awaitGroups();
  } catch (error) {
    await dispose();
    throw error;
  }
  return { brokers: nodes.map(({ address }) => address), nodes, [Symbol.asyncDispose]: dispose };
}
