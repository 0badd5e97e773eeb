import { randomUUID } from "node:crypto";
import type { Log } from "../../infra/log/log.ts";
import { decodeTailRecord, tailAppend, tailTopic } from "../../infra/tail/tail-record.ts";
import type { EventType } from "../../views/event.ts";
import type { Folder, Share } from "./folder.ts";

/**
 * Milliseconds that the workers take, from when they are assigned their parts of the topic, until they have folded all that
 * stands there into every view, and published that.
 */
export async function foldTopic(log: Log, type: EventType, workers: readonly Folder[]): Promise<number> {
  await forgetTail(log, type);
  const shares = await share(log, type, workers.length);
  try {
    const assignedAt = performance.now();
    await Promise.all(workers.map((worker, i) => worker.fold(shares[i] ?? { partitions: [], events: 0 })));
    await sealed(log, type);
    return performance.now() - assignedAt;
  } finally {
    await Promise.all(workers.map((worker) => worker.rest()));
  }
}

/** As a consumer group shares them: neighbours together. */
async function share(log: Log, { name, partitions }: EventType, workers: number): Promise<readonly Share[]> {
  const [starts, nexts] = [await log.starts(name), await log.nexts(name)];
  const each = Math.ceil(partitions / workers);
  return Array.from({ length: workers }, (_, worker) => {
    const own = nexts.map((_next, partition) => partition).slice(worker * each, (worker + 1) * each);
    const events = own.reduce(
      (sum, partition) => sum + (nexts[partition] ?? 0) - (starts[partition] ?? 0),
      0,
    );
    return { partitions: own, events };
  });
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
