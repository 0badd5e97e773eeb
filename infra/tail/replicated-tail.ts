import { setImmediate } from "node:timers/promises";
import type { App } from "../../views/app.ts";
import type { Cut, Offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { isRecomputed } from "../../views/layers.ts";
import { offsetIn, viewPartition } from "../../views/mapping.ts";
import type { View } from "../../views/view.ts";
import type { Consumer, Log, LogBatch } from "../log/log.ts";
import type { Chain } from "./chain.ts";
import { ChainedTail } from "./chained-tail.ts";
import { PartitionReplica, viewsOf } from "./partition-replica.ts";
import type { Segment } from "./tail.ts";
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
  /** Where the tail topic ended when it was begun to be read, or begun anew: from there on this is as fresh as others. */
  end: Offset;
}

const unknown = Number.POSITIVE_INFINITY as Offset;

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
  readonly #followed: ReadonlyMap<string, readonly Followed[]>;
  readonly #stop = new AbortController();
  readonly #consumers = new Set<Consumer>();
  readonly #renewals: Set<() => void>;

  constructor({ app, log }: ReplicatedTailOptions) {
    const renewals = new Set<() => void>();
    const onRenewed = () => {
      for (const listener of renewals) listener();
    };
    const followed = new Map(
      app.events.map(({ name, partitions }): [string, readonly Followed[]] => [
        name,
        Array.from({ length: partitions }, (_, partition) => ({
          replica: new PartitionReplica(viewsOf(app, name, partition), { keepsFormer: true, onRenewed }),
          next: 0 as Offset,
          end: unknown,
        })),
      ]),
    );
    super(chainsOf(app, followed));
    this.#log = log;
    this.#followed = followed;
    this.#renewals = renewals;
    const follows = [...followed].map(([topic, partitions]) => this.#follow(topic, partitions));
    this.ready = Promise.all(follows.map(({ ready }) => ready)).then(() => {});
    this.done = Promise.all(follows.map(({ done }) => done)).then(() => {});
    // Whoever awaits them hears of it.
    this.ready.catch(() => {});
    this.done.catch(() => {});
  }

  /**
   * A cut that is ahead of all that is known needs no worker to align itself to it: nothing lies between it and the position,
   * which is then the cut itself. So what runs make is served though nobody folds.
   */
  override segments(view: View, cut: Cut): readonly Segment[] | undefined {
    // What no generation is made of is not known to be empty before somebody has begun to fold it.
    if (!isRecomputed(view) && !this.chainsOf(view).every((chain) => this.#hasStarted(chain)))
      return undefined;
    return super.segments(view, cut) ?? (this.#beginAt(view, cut) ? super.segments(view, cut) : undefined);
  }

  override boundariesChanged(): void {
    for (const chain of this.chains) chain.forgetDropped();
    super.boundariesChanged();
  }

  /** Calls back after what was told before has given way to what was folded anew, in any partition; also where that may be so. */
  onRenewed(listener: () => void): Disposable {
    this.#renewals.add(listener);
    return { [Symbol.dispose]: () => void this.#renewals.delete(listener) };
  }

  #beginAt(view: View, cut: Cut): boolean {
    const chains = this.chainsOf(view).map((chain) => ({ chain, at: offsetIn(cut, view, chain.partition) }));
    if (!chains.every(({ chain, at }) => chain.hasBoundary(at) || (chain.next <= at && this.#isFresh(chain))))
      return false;
    for (const { chain, at } of chains) {
      if (chain.hasBoundary(at)) continue;
      if (chain.next === at) chain.seal();
      else chain.jump(at);
    }
    this.forgetPaths();
    return true;
  }

  #hasStarted(chain: Chain): boolean {
    const { topic, partition } = viewPartition(chain.view, chain.partition);
    return this.#followed.get(topic)?.[partition]?.replica.hasStarted(chain) === true;
  }

  /** Whether it is known to its end, as far as others have told. */
  #isFresh(chain: Chain): boolean {
    const { topic, partition } = viewPartition(chain.view, chain.partition);
    const followed = this.#followed.get(topic)?.[partition];
    return followed !== undefined && followed.next >= followed.end && followed.replica.hasStarted(chain);
  }

  #follow(topic: string, partitions: readonly Followed[]) {
    const name = tailTopic(topic);
    let isReady: () => void = () => {};
    const look = () => {
      if (partitions.every(({ next, end }) => next >= end)) isReady();
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
          for (const listener of this.#renewals) listener();
          followed.next = start;
          followed.end = unknown;
        });
        this.boundariesChanged();
        const ends = await this.#log.nexts(name);
        partitions.forEach((followed, p) => {
          if (followed.end === unknown) followed.end = ends[p] ?? (0 as Offset);
        });
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
