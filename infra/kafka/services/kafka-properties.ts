/** Of one node of a cluster, which is broker and controller both. */
export interface NodeSettings {
  /** From 1. */
  readonly id: number;
  readonly port: number;
  readonly controllerPort: number;
  readonly folder: string;
}

export type KafkaConfig = Readonly<Record<string, string | number | boolean>>;

export const clusterId = "dGlkZW1hcmstc2VydmljZQ";

/** `server.properties` of one of `nodes`: a cluster for one machine, quick to start and small. */
export function serverProperties(
  node: NodeSettings,
  nodes: readonly NodeSettings[],
  config: KafkaConfig,
): string {
  const replicas = Math.min(3, nodes.length);
  const inSync = replicas === 1 ? 1 : replicas - 1;
  const settings: KafkaConfig = {
    "process.roles": "broker,controller",
    "node.id": node.id,
    "controller.quorum.voters": nodes.map((n) => `${n.id}@127.0.0.1:${n.controllerPort}`).join(","),
    "controller.listener.names": "CONTROLLER",
    listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${node.port}`,
    "log.dirs": node.folder,
    // Topics are what `tidemark topics apply` makes of the declarations: a partition count is no accident.
    "auto.create.topics.enable": false,
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": replicas,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    "group.initial.rebalance.delay.ms": 0,
    // A broker that was killed is missed after so long (9 s as Kafka comes).
    "broker.session.timeout.ms": 3_000,
    "broker.heartbeat.interval.ms": 500,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "log.cleaner.dedupe.buffer.size": 16 * 1024 ** 2,
    // What a segment of 1 GB fills at 8 bytes for each 4 kB.
    "log.index.size.max.bytes": 2 * 1024 ** 2,
    ...config,
  };
  return lines(settings);
}

/** What Kafka's own formatting tool writes into a new folder, without the second that it takes a JVM to do so. */
export function metaProperties(node: NodeSettings): string {
  return lines({ version: 1, "cluster.id": clusterId, "node.id": node.id });
}

/** Warnings to the broker's output. */
export const loggingProperties = lines({
  status: "error",
  "rootLogger.level": "warn",
  "rootLogger.appenderRef.console.ref": "console",
  "appender.console.type": "Console",
  "appender.console.name": "console",
  "appender.console.layout.type": "PatternLayout",
  "appender.console.layout.pattern": "%d %p %m (%c{1})%n",
});

function lines(settings: KafkaConfig): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}
