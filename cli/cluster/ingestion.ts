import { randomUUID } from "node:crypto";
import { registerDeadLetters } from "../../infra/dead-letters/routes.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { registerIngestion } from "../../ingestion/gateway.ts";
import { KeyPartitions } from "../../ingestion/key-partitions.ts";
import { defaultLimits } from "../../ingestion/limits.ts";
import { eventSchemas, ingestionOperations } from "../../ingestion/operations.ts";
import { Pressure } from "../../ingestion/pressure.ts";
import { LocalReception } from "../../ingestion/reception.ts";
import { registerReplay } from "../../ingestion/replay.ts";
import { Decoder } from "../../views/decoder.ts";
import { type ClusterNode, registerHealth } from "./node.ts";

/** A gateway: events by HTTP into Kafka. */
export async function runIngestion(node: ClusterNode, _lifecycle: Lifecycle) {
  const { app } = node;
  const { log } = await node.openLog();
  const deadLetters = node.deadLetters(log);
  // Whether the brokers' disks have room is theirs to say.
  const pressure = new Pressure(defaultLimits, undefined, Date.now);
  const reception = new LocalReception({
    ...{ log, deadLetters, pressure, clock: Date.now, newId: randomUUID },
    decoder: new Decoder(app.events),
    partitions: new KeyPartitions(app.events),
    eventBytes: defaultLimits.eventBytes,
  });
  const server = node.createServer();
  server.openApi.describe(ingestionOperations(app.events), eventSchemas(app.events));
  registerIngestion(server, { reception, pressure, limits: defaultLimits });
  registerDeadLetters(server, deadLetters);
  registerReplay(server, { events: app.events, deadLetters, reception });
  registerHealth(server, "ingestion", () => []);
  return { url: await node.listen(server), done: new Promise<void>(() => {}) };
}
