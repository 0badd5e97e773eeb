import type { App } from "../../views/app.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Append } from "../log/log.ts";
import { Backoff } from "./backoff.ts";
import { KafkaConnections } from "./connections.ts";
import { encodeRecords } from "./encode-records.ts";
import { isPassing, KafkaError, noLeader, requireSuccess } from "./kafka-error.ts";
import { produceRequest } from "./produce.ts";
import type { KafkaSettings } from "./settings.ts";
import { TopicAdmin } from "./topic-admin.ts";
import { requireTopics } from "./topic-faults.ts";
import { clockTopic, wantedTopics } from "./topics.ts";

export interface KafkaCheck {
  readonly settings: KafkaSettings;
  readonly app: App;
  /** The longest time between two batch runs; null: they are started by hand. */
  readonly batchIntervalMs: number | null;
  /** How far this clock and a broker's may be apart. Default 2 s. */
  readonly maxSkewMs?: number;
  readonly now?: () => number;
}

/**
 * Names a set-up that would be suffered later: TIDEMARK_KAFKA_UNREACHABLE, TIDEMARK_KAFKA_TOPIC_MISSING,
 * TIDEMARK_KAFKA_PARTITIONS, TIDEMARK_KAFKA_RETENTION, TIDEMARK_KAFKA_CLOCK; each says what to do. For a process that begins.
 */
export async function checkKafka(check: KafkaCheck): Promise<void> {
  const { settings, app } = check;
  const connections = new KafkaConnections(settings);
  const admin = new TopicAdmin(settings);
  try {
    const wanted = wantedTopics(app);
    requireTopics(wanted, await connections.refresh(wanted.map(({ name }) => name)));
    await requireRetention(admin, check);
    await requireClock(connections, check);
  } finally {
    await admin[Symbol.asyncDispose]();
    await connections[Symbol.asyncDispose]();
  }
}

/** A run archives what came since the one before; twice that time leaves room for one that fails. */
async function requireRetention(admin: TopicAdmin, { app, batchIntervalMs }: KafkaCheck): Promise<void> {
  if (batchIntervalMs === null) return;
  const names = app.events.map(({ name }) => name);
  for (const [topic, config] of await admin.configs(names, ["retention.ms"])) {
    const retentionMs = Number(config["retention.ms"]);
    if (retentionMs < 0 || retentionMs >= 2 * batchIntervalMs) continue;
    throw new TidemarkError(
      "TIDEMARK_KAFKA_RETENTION",
      `Kafka keeps events of "${topic}" for ${minutes(retentionMs)}, but ${minutes(batchIntervalMs)} may pass between batch runs: records could be gone before they are archived. Declare topic: { retention } of at least ${minutes(2 * batchIntervalMs)} and say \`tidemark topics apply\`, or run batches more often`,
    );
  }
}

/**
 * The broker stamps a record of the clock topic as it appends it, somewhere between our sending it and hearing of it. That all
 * processes agree with the brokers bounds how far they are from each other.
 */
async function requireClock(
  connections: KafkaConnections,
  { app, maxSkewMs = 2_000, now = Date.now }: KafkaCheck,
): Promise<void> {
  const probe = await appendProbe(connections, clockTopic(app.name), now);
  // −1: the topic does not keep the broker's time, so that there is nothing to compare with.
  const skewMs = probe.appendedAt < 0 ? 0 : outside(probe.appendedAt, probe.sentAt, probe.heardAt);
  if (Math.abs(skewMs) <= maxSkewMs) return;
  throw new TidemarkError(
    "TIDEMARK_KAFKA_CLOCK",
    `this machine's clock is ${(Math.abs(skewMs) / 1000).toFixed(1)} s ${skewMs > 0 ? "behind" : "ahead of"} that of the Kafka broker: lags, freshness and the times that batch runs are due would be wrong by as much. Have NTP (e.g. chrony) set both`,
  );
}

async function appendProbe(connections: KafkaConnections, topic: string, now: () => number) {
  const record: Append = { topic, partition: 0, key: null, value: new Uint8Array(0) };
  for (const backoff = new Backoff(globalThis); ; await backoff.pause()) {
    try {
      const leader = connections.leader(topic, 0);
      if (leader === undefined) throw new KafkaError(noLeader);
      const sentAt = now();
      const batch = encodeRecords([record], sentAt);
      const { partitions } = await connections.send(
        leader,
        produceRequest([{ topic, partition: 0, batch }], 10_000),
      );
      const heardAt = now();
      requireSuccess(partitions[0]?.errorCode ?? -1);
      return { sentAt, heardAt, appendedAt: partitions[0]?.appendedAtMs ?? -1 };
    } catch (error) {
      if (!isPassing(error) || backoff.tries > 6) throw error;
      await connections.refresh([topic]);
    }
  }
}

/** How far a time is before (negative) or after the range. */
function outside(time: number, from: number, to: number): number {
  return time < from ? time - from : Math.max(0, time - to);
}

function minutes(ms: number): string {
  return ms % 3_600_000 === 0 ? `${ms / 3_600_000} h` : `${Math.round(ms / 6_000) / 10} min`;
}
