import type { Lifecycle } from "../infra/lifecycle.ts";
import type { Log } from "../infra/log/log.ts";
import type { FolderAtRest } from "./folder-at-rest.ts";
import type { Terminal } from "./terminal.ts";

/** The log of a data folder, to be read: in the folder, or in Kafka. */
export async function openFolderLog(
  { app, folder, isCluster }: FolderAtRest,
  { environment }: Terminal,
  lifecycle: Lifecycle,
): Promise<Log> {
  const topics = app.events.map(({ name, partitions }) => ({ name, partitions }));
  // Loaded here, so that commands start without the stores.
  const { clusterInClear, inClear } = await import("./subject-keys.ts");
  if (isCluster) {
    const { KafkaLog } = await import("../infra/kafka/kafka-log.ts");
    const { kafkaSettings } = await import("../infra/kafka/settings.ts");
    const stored = lifecycle.use(await KafkaLog.open({ settings: kafkaSettings(environment), topics }));
    return (await clusterInClear({ stored, app, folder, environment }, lifecycle)).log;
  }
  const { LmdbLog } = await import("../infra/log/lmdb-log.ts");
  const stored = lifecycle.use(await LmdbLog.open({ path: folder.log, topics, mode: "reader" }));
  const { log } = await inClear({ stored, mode: "reader", app, folder, environment }, lifecycle);
  return log;
}
