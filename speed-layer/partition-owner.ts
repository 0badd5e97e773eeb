import type { Generations } from "../infra/generations/generations.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import type { Consumer, Log, LogBatch } from "../infra/log/log.ts";
import type { Chain } from "../infra/tail/chain.ts";
import { PartitionReplica, viewsOf } from "../infra/tail/partition-replica.ts";
import { decodeTailRecord, type TailRecord, tailAppend, tailTopic } from "../infra/tail/tail-record.ts";
import type { App } from "../views/app.ts";
import { type Cut, type Offset, offsetAt } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { EventType } from "../views/event.ts";
import { isRecomputed } from "../views/layers.ts";
import { offsetIn, viewPartition } from "../views/mapping.ts";
import { needsGeneration } from "../views/version.ts";
import type { View } from "../views/view.ts";
import type { Past, Skipped } from "./admission.ts";
import { consumeTopic, type FoldTracing } from "./consumer.ts";
import type { EntryBound } from "./entry-bound.ts";
import type { FoldOf } from "./fold.ts";
import { foldFromLog } from "./prefix.ts";
import { TailSegments } from "./segments.ts";
import { TailPublisher } from "./tail-publisher.ts";
import { foldWhole, isUnreachable } from "./whole-tail.ts";

/** Its log has the events' topics and the tail topics. */
export interface PartitionOwnerOptions extends Past {
  readonly log: Log;
  readonly app: App;
  readonly type: EventType;
  readonly partition: number;
  readonly generations: Pick<Generations, "current" | "watch">;
  readonly foldOf: FoldOf;
  /** Of all partitions that are folded in this process. */
  readonly bound: EntryBound;
  readonly skipped: Skipped;
  readonly maxEntries: () => number;
  /** See `TailPublisherOptions`. */
  readonly snapshotBytes: number;
  readonly newId: () => string;
  readonly onAdvance: () => void;
  readonly onUnaligned: (view: View, error: TidemarkError) => void;
  /** The log has let go of records that were not folded: it goes on once a generation covers them. */
  readonly onGap: (error: TidemarkError) => void;
  readonly tracing?: FoldTracing | undefined;
}

/**
 * Folds one partition of a topic into every view of it, and tells its tail topic. It begins where that says the owner before
 * it was, under a claim of its own: from then on nothing that another writes counts, unless that one claims in turn.
 */
export class PartitionOwner implements AsyncDisposable {
  /** Resolves when another has claimed the partition: this one's word counts no more. */
  readonly lost: Promise<void>;
  /** Rejects when it can't go on; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #options: PartitionOwnerOptions;
  readonly #id: string;
  readonly #replica: PartitionReplica;
  readonly #lifecycle = new Lifecycle();
  readonly #stop = new AbortController();
  #next = 0 as Offset;
  /** How much of the tail topic was read to begin. */
  #bytes = 0;
  /** Of this owner's claim, once it holds. */
  #epoch: number | undefined;
  /** Where the claim stands that began the last snapshot. */
  #claimedAt = 0 as Offset;
  /** A seal that was asked for and not answered. */
  #request: string | undefined;
  #publisher: TailPublisher | undefined;
  #tail: TailSegments | undefined;
  #gap: TidemarkError | undefined;
  /** More records were there to be folded when the last ones came. */
  #isBehind = false;
  #claimed: () => void = () => {};
  #lose: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(options: PartitionOwnerOptions) {
    this.#options = options;
    this.#id = options.newId();
    this.#replica = new PartitionReplica(viewsOf(options.app, options.type.name, options.partition));
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    const failed = new Promise<never>((_resolve, reject) => {
      this.#fail = reject;
    });
    this.done = Promise.race([failed, this.#run()]);
    this.done.catch(() => {});
  }

  /** Why it does not fold. */
  get obstacle(): string | undefined {
    return this.#tail === undefined ? "it reads the tail topic" : this.#gap?.message;
  }

  get entries(): number {
    return this.#tail?.entries ?? 0;
  }

  async #run(): Promise<void> {
    try {
      await this.#readTail();
      await this.#claim();
      await this.#own();
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  get #tailTopic(): string {
    return tailTopic(this.#options.type.name);
  }

  /** Applies what the tail topic holds. */
  async #readTail(): Promise<void> {
    const { log, partition } = this.#options;
    for (;;) {
      const start = (await log.starts(this.#tailTopic))[partition] ?? (0 as Offset);
      const end = (await log.nexts(this.#tailTopic))[partition] ?? (0 as Offset);
      if (this.#next < start) {
        this.#replica.reset();
        this.#next = start;
      }
      try {
        for await (const batch of log.read(this.#tailTopic, partition, this.#next, end)) {
          this.#stop.signal.throwIfAborted();
          this.#hearAll(batch);
        }
        return;
      } catch (error) {
        // The owner before this one has trimmed what was being read.
        if (!isOutOfRange(error)) throw error;
      }
    }
  }

  /** Resolves once the claim is in the tail topic, counts, and all that stands before it is known. */
  async #claim(): Promise<void> {
    const { log, partition } = this.#options;
    const claimed = new Promise<void>((resolve) => {
      this.#claimed = resolve;
    });
    this.#stop.signal.throwIfAborted();
    const consumer = log.consume({
      topic: this.#tailTopic,
      partitions: [partition],
      position: () => this.#next,
      handle: (batch) => this.#hearAll(batch),
    });
    this.#lifecycle.use(consumer);
    consumer.done.catch((error) => this.#fail(error));
    await this.#append({ kind: "claim", epoch: this.#replica.epoch + 1, owner: this.#id });
    await Promise.race([claimed, consumer.done]);
    this.#stop.signal.throwIfAborted();
  }

  #hearAll({ records, next }: LogBatch): void {
    for (const { offset, key, value } of records) {
      if (this.#epoch === undefined) this.#bytes += value.length;
      // States are its own now, or those of one whose word does not count.
      else if (key === "rows" || key === "segment") continue;
      this.#hear(decodeTailRecord(value), offset);
    }
    this.#next = next;
  }

  #hear(record: TailRecord, at: Offset): void {
    switch (record.kind) {
      case "claim":
        this.#hearClaim(record, at);
        return;
      case "seal-request":
        this.#request = record.request;
        this.#publisher?.answer(record.request);
        return;
      case "sealed":
        if (record.request === this.#request) this.#request = undefined;
        return;
      case "snapshot":
        if (record.epoch === this.#epoch) this.#trim();
        return;
      default:
        if (this.#epoch === undefined) this.#replica.apply(record);
    }
  }

  #hearClaim(record: Extract<TailRecord, { readonly kind: "claim" }>, at: Offset): void {
    const counts = this.#replica.apply(record);
    if (record.owner !== this.#id) {
      if (counts && this.#epoch !== undefined) this.#lose();
      return;
    }
    if (counts) {
      this.#epoch = record.epoch;
      this.#claimedAt = at;
      this.#claimed();
    } else if (this.#epoch === undefined) {
      // Another took the same epoch a moment earlier.
      const epoch = this.#replica.epoch + 1;
      this.#append({ kind: "claim", epoch, owner: this.#id }).catch((error) => this.#fail(error));
    }
  }

  #trim(): void {
    const { log, partition } = this.#options;
    log.trim(this.#tailTopic, partition, this.#claimedAt).catch((error) => this.#fail(error));
  }

  async #append(record: TailRecord): Promise<void> {
    const { log, partition } = this.#options;
    await log.append([tailAppend(this.#options.type.name, partition, record)]);
  }

  async #own(): Promise<void> {
    const { type, partition, log, generations, foldOf, snapshotBytes, newId } = this.#options;
    const fresh: Chain[] = [];
    for (const chain of this.#replica.chains) {
      if (this.#replica.hasStarted(chain)) continue;
      fresh.push(chain);
      chain.jump(await this.#beginningOf(chain));
    }
    this.#stop.signal.throwIfAborted();
    const tail = this.#lifecycle.use(
      new TailSegments({
        chains: new Map(this.#replica.chains.map((chain) => [chain.view, [chain]])),
        mergesLongChains: false,
        foldFromLog: (chain, from, next, signal) =>
          foldFromLog(this.#pastOf(chain.view), {
            view: chain.view,
            fold: foldOf(chain.view, viewPartition(chain.view, chain.partition).mapping),
            partition: chain.partition,
            from,
            next,
            maxEntries: this.#options.maxEntries(),
            signal,
          }),
      }),
    );
    this.#tail = tail;
    const publisher = new TailPublisher({
      ...{ log, topic: type.name, partition, tail, fresh },
      ...{ epoch: this.#epoch ?? 0, owner: this.#id, bytes: this.#bytes, snapshotBytes, newId },
      isBehind: () => this.#isBehind,
    });
    this.#publisher = this.#lifecycle.use(publisher);
    publisher.done.catch((error) => this.#fail(error));
    if (this.#request !== undefined) publisher.answer(this.#request);
    this.#lifecycle.use(tail.onAdvance(this.#options.onAdvance));
    for (const { view } of this.#replica.chains) {
      if (!isRecomputed(view)) void this.#keepWhole(tail, publisher, view);
    }
    this.#lifecycle.use(
      generations.watch(
        this.#replica.chains.map(({ view }) => view).filter(isRecomputed),
        (view, current) => {
          // Nobody reads it before it has one.
          if (current === undefined && needsGeneration(view)) return;
          void this.#align(tail, publisher, view, current?.cut ?? {});
        },
      ),
    );
    await this.#fold(tail);
  }

  /** Where a chain begins that no owner before has begun; see `restoreChains`. */
  async #beginningOf({ view, partition }: Chain): Promise<Offset> {
    const { log, type, generations } = this.#options;
    const current = isRecomputed(view) ? await generations.current(view) : undefined;
    const isAtEnd = !isRecomputed(view) || (current === undefined && needsGeneration(view));
    if (!isAtEnd) return offsetIn(current?.cut ?? {}, view, partition);
    return offsetAt({ [type.name]: await log.nexts(type.name) }, type.name, this.#options.partition);
  }

  /** Only what no generation will ever cover is folded from files. */
  #pastOf(view: View): Past {
    const { log, archivedIds, archivedEvents } = this.#options;
    return isRecomputed(view) ? { log, archivedIds } : { log, archivedIds, archivedEvents };
  }

  async #keepWhole(tail: TailSegments, publisher: TailPublisher, view: View): Promise<void> {
    const { onUnaligned } = this.#options;
    try {
      await foldWhole({ tail, view, signal: this.#stop.signal, onUnaligned });
      await publisher.told();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #align(tail: TailSegments, publisher: TailPublisher, view: View, cut: Cut): Promise<void> {
    try {
      await tail.align(view, cut);
      // Readers hang what begins at the cut on where the segments before it end: these must not go untold.
      await publisher.told();
      tail.release(view, cut);
    } catch (error) {
      if (isUnreachable(error)) this.#options.onUnaligned(view, error);
      else this.#fail(error);
    }
  }

  /** Until disposed of. Waits where the log has let go of what comes next; all the time where no view is folded. */
  async #fold(tail: TailSegments): Promise<void> {
    if (this.#replica.chains.length === 0) return this.#stopped();
    while (!this.#stop.signal.aborted) {
      try {
        const consumer = this.#lifecycle.use(this.#consume(tail));
        await consumer.done;
      } catch (error) {
        if (!isOutOfRange(error)) throw error;
        await this.#overGap(tail, error);
      }
    }
  }

  #consume(tail: TailSegments): Consumer {
    const { type, partition, log, archivedIds, foldOf, bound, skipped, tracing } = this.#options;
    const views = this.#replica.chains.map((chain) => {
      const chains: Chain[] = [];
      chains[partition] = chain;
      return { fold: foldOf(chain.view, viewPartition(chain.view, chain.partition).mapping), chains };
    });
    return consumeTopic({
      ...{ log, archivedIds, type, partitions: [partition], views, tail, bound, skipped, tracing },
      onBatch: ({ next, end }) => {
        this.#isBehind = next < end;
      },
    });
  }

  /** Resolves once no view has to read what the log no longer holds; throws if one is ahead of the log. */
  async #overGap(tail: TailSegments, error: TidemarkError): Promise<void> {
    const { type, partition, log } = this.#options;
    const at = (offsets: readonly Offset[]) => offsetAt({ [type.name]: offsets }, type.name, partition);
    const [start, end] = [at(await log.starts(type.name)), at(await log.nexts(type.name))];
    const { chains } = this.#replica;
    if (chains.some(({ next }) => next > end)) throw error;
    for (const { view, next } of chains)
      if (!isRecomputed(view) && next < start) await this.#beginAnew(tail, view, start);
    const isOver = () => chains.every(({ next }) => next >= start);
    if (isOver()) return;
    this.#gap = error;
    this.#options.onGap(error);
    await new Promise<void>((resolve) => {
      this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
      this.#lifecycle.use(tail.onAdvance(() => isOver() && resolve()));
    });
    this.#gap = undefined;
  }

  /** No generation will make up for what is missing: all of the view is folded once more, from files up to where the log begins. */
  async #beginAnew(tail: TailSegments, view: View, start: Offset): Promise<void> {
    const { type, partition } = this.#options;
    const before = Array.from({ length: partition }, () => 0 as Offset);
    await tail.align(view, { [type.name]: [...before, start] });
    if (this.#publisher !== undefined) void this.#keepWhole(tail, this.#publisher, view);
  }

  #stopped(): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#claimed();
    await this.#lifecycle[Symbol.asyncDispose]();
    await this.done.catch(() => {});
  }
}

function isOutOfRange(error: unknown): error is TidemarkError {
  return error instanceof TidemarkError && error.code === "TIDEMARK_STORE_OUT_OF_RANGE";
}
