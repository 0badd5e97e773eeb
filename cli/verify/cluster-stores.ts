import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import type { Log } from "../../infra/log/log.ts";
import type { Chain } from "../../infra/tail/chain.ts";
import { PartitionReplica, viewsOf } from "../../infra/tail/partition-replica.ts";
import type { TailSegment } from "../../infra/tail/segment.ts";
import { decodeTailRecord, tailTopic } from "../../infra/tail/tail-record.ts";
import type { App } from "../../views/app.ts";
import { type Offset, offset } from "../../views/cut.ts";
import { offsetIn } from "../../views/mapping.ts";
import type { FolderAtRest } from "../folder-at-rest.ts";
import { clusterInClear } from "../subject-keys.ts";
import type { Terminal } from "../terminal.ts";
import type { CheckedStores } from "./run-checks.ts";

/** Log and tail of a cluster, as its topics have them. */
export async function clusterStores(
  { app, folder }: Pick<FolderAtRest, "app" | "folder">,
  { environment }: Pick<Terminal, "environment">,
  lifecycle: Lifecycle,
): Promise<CheckedStores> {
  const topics = app.events.flatMap(({ name, partitions }) => [
    { name, partitions },
    { name: tailTopic(name), partitions },
  ]);
  const stored = lifecycle.use(await KafkaLog.open({ settings: kafkaSettings(environment), topics }));
  const { log } = await clusterInClear({ stored, app, folder, environment }, lifecycle);
  let chains: Promise<readonly Chain[]> | undefined;
  return {
    log,
    isOpenToAll: true,
    segments: async (view, current) => {
      chains ??= readTails(app, log);
      return (await chains).flatMap((chain): readonly TailSegment[] => {
        if (chain.view !== view) return [];
        return chain.pathFrom(offsetIn(current?.cut ?? {}, view, chain.partition)) ?? chain.segments;
      });
    },
  };
}

/** What a serving node that begins now would hold. */
async function readTails(app: App, log: Log): Promise<readonly Chain[]> {
  const chains: Chain[] = [];
  for (const { name, partitions } of app.events) {
    const topic = tailTopic(name);
    const [starts, nexts] = [await log.starts(topic), await log.nexts(topic)];
    for (let partition = 0; partition < partitions; partition++) {
      const replica = new PartitionReplica(viewsOf(app, name, partition));
      const at = (offsets: readonly Offset[]) => offsets[partition] ?? offset(0);
      for await (const { records } of log.read(topic, partition, at(starts), at(nexts))) {
        for (const { value } of records) replica.apply(decodeTailRecord(value));
      }
      chains.push(...replica.chains);
    }
  }
  return chains;
}
