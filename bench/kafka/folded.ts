import { randomUUID } from "node:crypto";
import type { Generations } from "../../infra/generations/generations.ts";
import type { Log } from "../../infra/log/log.ts";
import { decodeTailRecord, tailAppend, tailTopic } from "../../infra/tail/tail-record.ts";
import { SpeedWorker } from "../../speed-layer/worker.ts";
import type { App } from "../../views/app.ts";
import type { EventType } from "../../views/event.ts";

export interface Folding {
  /** Its views are folded. Of one event type. */
  readonly app: App;
  readonly type: EventType;
  /** Has the topic and its tail topic. */
  readonly log: Log;
  /** Without any. */
  readonly generations: Pick<Generations, "current" | "watch">;
  /** That stand in the topic. */
  readonly events: number;
}

/**
 * Milliseconds that a speed worker takes, from when it is assigned the topic, until it has folded all that stands there
 * into every view, and published that.
 */
export async function foldTopic({ app, type, log, generations, events }: Folding): Promise<number> {
  await forgetTail(log, type);
  let left = events;
  let allFolded: () => void = () => {};
  const folded = new Promise<void>((resolve) => {
    allFolded = resolve;
  });
  const counted = countingLog(log, type.name, (records) => {
    left -= records;
    if (left <= 0) allFolded();
  });
  const unexpected = (error: unknown) => {
    throw error;
  };
  const worker = new SpeedWorker({
    ...{ app, log: counted, generations, newId: randomUUID },
    limits: { entries: Number.POSITIVE_INFINITY },
    onTailNearBound: () => {},
    onUnaligned: (_view, error) => unexpected(error),
    onGap: unexpected,
  });
  try {
    const assignedAt = performance.now();
    worker.assign({ [type.name]: Array.from({ length: type.partitions }, (_, partition) => partition) });
    await Promise.race([folded, worker.done]);
    await sealed(log, type);
    return performance.now() - assignedAt;
  } finally {
    await worker[Symbol.asyncDispose]();
  }
}

/** So that a worker begins at the beginning. */
async function forgetTail(log: Log, { name }: EventType): Promise<void> {
  const tail = tailTopic(name);
  const nexts = await log.nexts(tail);
  await Promise.all(nexts.map((next, partition) => log.trim(tail, partition, next)));
}

/** Resolves once the worker has answered a request to seal, in every partition: all before it is published then. */
async function sealed(log: Log, { name, partitions }: EventType): Promise<void> {
  const topic = tailTopic(name);
  const request = randomUUID();
  const positions = [...(await log.nexts(topic))];
  let left = partitions;
  let allSealed: () => void = () => {};
  const done = new Promise<void>((resolve) => {
    allSealed = resolve;
  });
  await using consumer = log.consume({
    topic,
    position: (partition) => positions[partition] ?? positions[0] ?? raise(`no partition ${partition}`),
    handle: ({ partition, next, records }) => {
      positions[partition] = next;
      for (const record of records) {
        const told = decodeTailRecord(record.value);
        if (told.kind === "sealed" && told.request === request && --left === 0) allSealed();
      }
    },
  });
  await log.append(
    positions.map((_, partition) => tailAppend(name, partition, { kind: "seal-request", request })),
  );
  await Promise.race([done, consumer.done]);
}

function raise(what: string): never {
  throw new Error(what);
}

/** The log, with the records of one topic counted as they have been handled. */
function countingLog(log: Log, topic: string, onHandled: (records: number) => void): Log {
  return {
    topics: log.topics,
    append: (records) => log.append(records),
    starts: (name) => log.starts(name),
    nexts: (name) => log.nexts(name),
    read: (name, partition, from, next) => log.read(name, partition, from, next),
    trim: (name, partition, before) => log.trim(name, partition, before),
    consume: (consumption) =>
      log.consume({
        ...consumption,
        position: (partition) => consumption.position(partition),
        handle: async (batch) => {
          await consumption.handle(batch);
          if (consumption.topic === topic) onHandled(batch.records.length);
        },
      }),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
