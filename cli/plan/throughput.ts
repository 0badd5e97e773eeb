import { randomBytes } from "node:crypto";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import type { KafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { Admission } from "../../speed-layer/admission.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import type { App } from "../../views/app.ts";
import { type Offset, offset } from "../../views/cut.ts";
import type { EventType } from "../../views/event.ts";

/** Events a second through one partition. */
export interface Throughput {
  /** Appended by one process, acknowledged by all replicas in sync. */
  readonly produced: number;
  /** Read, decoded and folded into every view by one process. */
  readonly consumed: number;
  readonly events: number;
  readonly eventBytes: number;
}

/** The measurement ends at the latest then. */
const longestMs = 10_000;
const eventsPerAppend = 500;
const appendsUnderWay = 4;

/** Through a topic of one partition, kept as the type's would be, that is made for it and removed. */
export async function measureThroughput(
  app: App,
  type: EventType,
  settings: KafkaSettings,
  events: readonly Buffer[],
): Promise<Throughput> {
  const admin = new TopicAdmin(settings);
  const name = `${app.name}.plan-${randomBytes(4).toString("hex")}`;
  try {
    const like = wantedTopics(app).filter((topic) => topic.name === type.name);
    const steps = await admin.plan(like.map((topic) => ({ ...topic, name, partitions: 1 })));
    await admin.apply(steps);
    const log = await KafkaLog.open({ settings, topics: [{ name, partitions: 1 }] });
    try {
      const { rate: produced, count } = await produce(log, name, events);
      const consumed = await consume(log, name, app, type, count);
      const bytes = events.slice(0, count).reduce((sum, { length }) => sum + length, 0);
      return { produced, consumed, events: count, eventBytes: Math.round(bytes / count) };
    } finally {
      await log[Symbol.asyncDispose]();
      await admin.delete([name]);
    }
  } finally {
    await admin[Symbol.asyncDispose]();
  }
}

async function produce(log: KafkaLog, topic: string, events: readonly Buffer[]) {
  const startedAt = performance.now();
  let begun = 0;
  let count = 0;
  const writer = async () => {
    while (begun < events.length && performance.now() - startedAt < longestMs) {
      const values = events.slice(begun, begun + eventsPerAppend);
      begun += values.length;
      await log.append(values.map((value) => ({ topic, partition: 0, key: null, value })));
      count += values.length;
    }
  };
  await Promise.all(Array.from({ length: appendsUnderWay }, writer));
  return { rate: perSecond(count, startedAt), count };
}

async function consume(
  log: KafkaLog,
  topic: string,
  app: App,
  type: EventType,
  count: number,
): Promise<number> {
  const admission = new Admission(type, 0);
  const targets = app.views.flatMap((view) =>
    view.mappings
      .filter(({ event }) => event === type)
      .map((mapping) => ({ fold: compileFold(view, mapping), segment: new TailSegment(view, 0, offset(0)) })),
  );
  let position = offset(0);
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const startedAt = performance.now();
  const consumer = log.consume({
    topic,
    position: () => position,
    handle({ records, next }) {
      const events = admission.admit(records, next);
      for (const { fold, segment } of targets) fold(segment, events, 0, records);
      position = next as Offset;
      if (position >= count || performance.now() - startedAt > longestMs) finish();
    },
  });
  await Promise.race([finished, consumer.done]);
  const rate = perSecond(position, startedAt);
  await consumer[Symbol.asyncDispose]();
  return rate;
}

function perSecond(count: number, startedAt: number): number {
  return Math.max(1, Math.round((count * 1000) / (performance.now() - startedAt)));
}
