import { setImmediate } from "node:timers/promises";
import type { App } from "../../views/app.ts";
import type { Offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { View } from "../../views/view.ts";
import type { Consumer, Log, LogBatch } from "../log/log.ts";
import type { Chain } from "./chain.ts";
import { ChainedTail } from "./chained-tail.ts";
import { PartitionReplica, viewsOf } from "./partition-replica.ts";
import { decodeTailRecord, tailTopic } from "./tail-record.ts";

export interface ReplicatedTailOptions {
  readonly app: App;
  /** Has the tail topics of all the app's topics. */
  readonly log: Log;
}

interface Followed {
  readonly replica: PartitionReplica;
  /** The next record of the tail topic. */
  next: Offset;
}

/** How long records are applied in one turn of the event loop, in milliseconds. */
const turnMs = 5;

/**
 * The tail in the memory of a process that does not fold: told by the tail topics, record by record. It holds back
 * to where its reader releases it, whatever others have let go of.
 */
export class ReplicatedTail extends ChainedTail {
  /** Resolves once it has read what there was when it started: it is then as fresh as those that started before it. */
  readonly ready: Promise<void>;
  /** Rejects when it can't go on; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #consumers = new Set<Consumer>();

  constructor({ app, log }: ReplicatedTailOptions) {
    const followed = new Map(
      app.events.map(({ name, partitions }): [string, readonly Followed[]] => [
        name,
        Array.from({ length: partitions }, (_, partition) => ({
          replica: new PartitionReplica(viewsOf(app, name, partition)),
          next: 0 as Offset,
        })),
      ]),
    );
    super(chainsOf(app, followed));
    this.#log = log;
    const follows = [...followed].map(([topic, partitions]) => this.#follow(topic, partitions));
    this.ready = Promise.all(follows.map(({ ready }) => ready)).then(() => {});
    this.done = Promise.all(follows.map(({ done }) => done)).then(() => {});
    // Whoever awaits them hears of it.
    this.ready.catch(() => {});
    this.done.catch(() => {});
  }

  #follow(topic: string, partitions: readonly Followed[]) {
    const name = tailTopic(topic);
    let isReady: () => void = () => {};
    let ends: readonly Offset[] = partitions.map(() => Number.POSITIVE_INFINITY as Offset);
    const look = () => {
      if (partitions.every(({ next }, p) => next >= (ends[p] ?? 0))) isReady();
    };
    const reached = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    const run = async () => {
      while (!this.#stop.signal.aborted) {
        const starts = await this.#log.starts(name);
        partitions.forEach((followed, p) => {
          const start = starts[p] ?? (0 as Offset);
          if (followed.next >= start) return;
          // What it has not read yet was trimmed: a snapshot that stands further on tells it all again.
          followed.replica.reset();
          followed.next = start;
        });
        this.boundariesChanged();
        if (ends.includes(Number.POSITIVE_INFINITY as Offset)) ends = await this.#log.nexts(name);
        look();
        try {
          const consumer = this.#log.consume({
            topic: name,
            position: (partition) => partitions[partition]?.next ?? (0 as Offset),
            handle: async (batch) => {
              await this.#apply(partitions[batch.partition], batch);
              look();
            },
          });
          this.#consumers.add(consumer);
          if (this.#stop.signal.aborted) await consumer[Symbol.asyncDispose]();
          await consumer.done.finally(() => this.#consumers.delete(consumer));
        } catch (error) {
          if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_STORE_OUT_OF_RANGE") throw error;
        }
      }
    };
    const done = run();
    return { done, ready: Promise.race([reached, done]) };
  }

  async #apply(followed: Followed | undefined, { records, next }: LogBatch): Promise<void> {
    if (followed === undefined) return;
    let turnEnds = performance.now() + turnMs;
    for (const { offset, value } of records) {
      followed.replica.apply(decodeTailRecord(value));
      followed.next = (offset + 1) as Offset;
      if (performance.now() < turnEnds) continue;
      this.boundariesChanged();
      await setImmediate();
      turnEnds = performance.now() + turnMs;
    }
    followed.next = next;
    this.boundariesChanged();
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const consumer of this.#consumers) await consumer[Symbol.asyncDispose]();
    await this.done.catch(() => {});
    await super[Symbol.asyncDispose]();
  }
}

function chainsOf(
  app: App,
  followed: ReadonlyMap<string, readonly Followed[]>,
): ReadonlyMap<View, readonly Chain[]> {
  return new Map(
    app.views.map((view) => [
      view,
      view.partitions.flatMap(
        ({ topic, partition }) =>
          followed.get(topic)?.[partition]?.replica.chains.filter((chain) => chain.view === view) ?? [],
      ),
    ]),
  );
}
