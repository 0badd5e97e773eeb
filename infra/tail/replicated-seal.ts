import type { App } from "../../views/app.ts";
import type { Cut, Offset } from "../../views/cut.ts";
import { isRecomputed } from "../../views/layers.ts";
import { offsetIn, viewPartition } from "../../views/mapping.ts";
import { mergeSorted } from "../../views/sorted-rows.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { Lifecycle } from "../lifecycle.ts";
import type { Log, LogBatch } from "../log/log.ts";
import { PartitionReplica, viewsOf } from "./partition-replica.ts";
import type { TailSegment } from "./segment.ts";
import type { SealedTail, SealRequest } from "./tail.ts";
import { decodeTailRecord, tailAppend, tailTopic } from "./tail-record.ts";

export interface ReplicatedSealOptions {
  readonly app: App;
  /** Has the tail topics of all the app's topics. */
  readonly log: Log;
  readonly newId: () => string;
}

/**
 * Asks whoever owns the partitions to seal, through the tail topics, and reads there what was sealed. Holds that in memory
 * from a seal to the next one, or until it is let go of.
 */
export class ReplicatedSeal implements SealRequest, SealedTail {
  readonly #options: ReplicatedSealOptions;
  /** By topic and partition, as they are at the seal. */
  #replicas = new Map<string, PartitionReplica>();

  constructor(options: ReplicatedSealOptions) {
    this.#options = options;
  }

  async seal(signal: AbortSignal = new AbortController().signal): Promise<Cut> {
    this.letGo();
    const { app, log, newId } = this.#options;
    const request = newId();
    const lifecycle = new Lifecycle();
    const abort = new Promise<never>((_resolve, reject) => {
      const stop = () => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      lifecycle.defer(() => signal.removeEventListener("abort", stop));
    });
    abort.catch(() => {});
    try {
      const replicas = new Map<string, PartitionReplica>();
      const sealed: Promise<readonly [string, number, Offset]>[] = [];
      for (const { name, partitions } of app.events) {
        const starts = await log.starts(tailTopic(name));
        for (let partition = 0; partition < partitions; partition++) {
          // Nobody asks for sealed rows of the others.
          const views = viewsOf(app, name, partition).filter(({ view }) => isRecomputed(view));
          const replica = new PartitionReplica(views);
          replicas.set(`${name}/${partition}`, replica);
          const from = starts[partition] ?? (0 as Offset);
          sealed.push(
            follow(log, name, partition, from, replica, request, lifecycle).then((next) => [
              name,
              partition,
              next,
            ]),
          );
        }
      }
      for (const each of sealed) each.catch(() => {});
      await log.append(
        app.events.flatMap(({ name, partitions }) =>
          Array.from({ length: partitions }, (_, partition) =>
            tailAppend(name, partition, { kind: "seal-request", request }),
          ),
        ),
      );
      const answers = await Promise.race([abort, Promise.all(sealed)]);
      this.#replicas = replicas;
      return cutOfAnswers(answers);
    } finally {
      await lifecycle[Symbol.asyncDispose]();
    }
  }

  /** From the first row asked for to the last, there must be no other seal. */
  rows(view: View, from: Cut, to: Cut): Iterable<StateRow> | undefined {
    const path: TailSegment[] = [];
    for (const number of view.partitions.keys()) {
      const { topic, partition } = viewPartition(view, number);
      const chain = this.#replicas.get(`${topic}/${partition}`)?.chains.find((each) => each.view === view);
      const between = chain?.between(offsetIn(from, view, number), offsetIn(to, view, number));
      if (between === undefined) return undefined;
      path.push(...between);
    }
    return mergeSorted(
      view,
      path.map((segment) => segment.sortedRows()),
    );
  }

  /** Frees the memory that the last seal takes. */
  letGo(): void {
    this.#replicas = new Map();
  }
}

/** Reads a partition's tail topic up to the answer to the request, which is the position that was sealed. */
async function follow(
  log: Log,
  topic: string,
  partition: number,
  from: Offset,
  replica: PartitionReplica,
  request: string,
  lifecycle: Lifecycle,
): Promise<Offset> {
  let next = from;
  let answer: (next: Offset) => void = () => {};
  let isAnswered = false;
  const answered = new Promise<Offset>((resolve) => {
    answer = resolve;
  });
  const consumer = lifecycle.use(
    log.consume({
      topic: tailTopic(topic),
      partitions: [partition],
      position: () => next,
      handle: (batch: LogBatch) => {
        for (const { value } of batch.records) {
          if (isAnswered) break;
          const record = decodeTailRecord(value);
          const counts = replica.apply(record);
          if (!counts || record.kind !== "sealed" || record.request !== request) continue;
          isAnswered = true;
          answer(record.next);
        }
        next = batch.next;
      },
    }),
  );
  return Promise.race([answered, consumer.done.then(() => answered)]);
}

function cutOfAnswers(answers: readonly (readonly [string, number, Offset])[]): Cut {
  const cut: Record<string, Offset[]> = {};
  for (const [topic, partition, next] of answers) {
    cut[topic] ??= [];
    (cut[topic] as Offset[])[partition] = next;
  }
  return cut;
}
