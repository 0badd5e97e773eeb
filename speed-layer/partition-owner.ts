import type { Generations } from "../infra/generations/generations.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import type { Consumer, Log } from "../infra/log/log.ts";
import type { Chain } from "../infra/tail/chain.ts";
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
import { renewPartition } from "./renewal.ts";
import { TailSegments } from "./segments.ts";
import { TailClaim } from "./tail-claim.ts";
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
  readonly #claim: TailClaim;
  readonly #lifecycle = new Lifecycle();
  readonly #stop = new AbortController();
  #tail: TailSegments | undefined;
  #consumer: Consumer | undefined;
  /** Resolves once folding may go on. */
  #held: Promise<void> = Promise.resolve();
  #renewed: Promise<void> = Promise.resolve();
  #gap: TidemarkError | undefined;
  /** More records were there to be folded when the last ones came. */
  #isBehind = false;
  #fail: (error: unknown) => void = () => {};

  constructor(options: PartitionOwnerOptions) {
    const { log, app, type, partition, newId } = options;
    this.#options = options;
    const claim = { log, app, topic: type.name, partition, newId, signal: this.#stop.signal };
    this.#claim = this.#lifecycle.use(new TailClaim(claim));
    this.lost = this.#claim.lost;
    const failed = new Promise<never>((_resolve, reject) => {
      this.#fail = reject;
    });
    this.done = Promise.race([failed, this.#claim.failed, this.#run()]);
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
      await this.#claim.take();
      await this.#own();
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }

  get #chains(): readonly Chain[] {
    return this.#claim.replica.chains;
  }

  async #own(): Promise<void> {
    const { type, partition, log, generations, foldOf, snapshotBytes, newId } = this.#options;
    const { replica, epoch, owner, bytes } = this.#claim;
    const fresh: Chain[] = [];
    for (const chain of replica.chains) {
      if (replica.hasStarted(chain)) continue;
      fresh.push(chain);
      chain.jump(await this.#beginningOf(chain));
    }
    this.#stop.signal.throwIfAborted();
    const tail = this.#lifecycle.use(
      new TailSegments({
        chains: new Map(replica.chains.map((chain) => [chain.view, [chain]])),
        mergesLongChains: false,
        foldFromLog: (chain, from, next, signal, maxEntries = this.#options.maxEntries()) =>
          foldFromLog(this.#pastOf(chain.view), {
            view: chain.view,
            fold: foldOf(chain.view, viewPartition(chain.view, chain.partition).mapping),
            partition: chain.partition,
            from,
            next,
            maxEntries,
            signal,
          }),
      }),
    );
    this.#tail = tail;
    const publisher = this.#lifecycle.use(
      new TailPublisher({
        ...{ log, topic: type.name, partition, tail, fresh },
        ...{ epoch, owner, bytes, snapshotBytes, newId },
        isBehind: () => this.#isBehind,
      }),
    );
    publisher.done.catch((error) => this.#fail(error));
    this.#claim.answer({
      seal: (request) => publisher.answer(request),
      renew: (request) => this.#renew(tail, publisher, request),
    });
    this.#lifecycle.use(tail.onAdvance(this.#options.onAdvance));
    for (const { view } of this.#chains) {
      if (!isRecomputed(view)) void this.#keepWhole(tail, publisher, view);
    }
    this.#lifecycle.use(
      generations.watch(this.#chains.map(({ view }) => view).filter(isRecomputed), (view, current) => {
        // Nobody reads it before it has one.
        if (current === undefined && needsGeneration(view)) return;
        void this.#align(tail, publisher, view, current?.cut ?? {});
      }),
    );
    await this.#fold(tail, publisher);
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

  /** One after the other. */
  #renew(tail: TailSegments, publisher: TailPublisher, request: string): void {
    const { generations, maxEntries, onUnaligned } = this.#options;
    const views = this.#chains.map(({ view }) => view);
    const renewal = {
      ...{ tail, views, publisher, generations, maxEntries, signal: this.#stop.signal },
      hold: () => this.#hold(),
      onUnaligned: (view: View, error: TidemarkError) => {
        onUnaligned(view, error);
        // Its alignment has taken the place of the one that is tried again.
        if (!isRecomputed(view)) void this.#keepWhole(tail, publisher, view);
      },
    };
    this.#renewed = this.#renewed
      .then(() => renewPartition(renewal, request))
      .catch((error: unknown) => this.#fail(error));
  }

  /** Nothing is folded from when it resolves until what it gives is called. */
  async #hold(): Promise<() => void> {
    let goOn: () => void = () => {};
    this.#held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await this.#consumer?.[Symbol.asyncDispose]();
    return goOn;
  }

  /** Until disposed of. Waits where the log has let go of what comes next; all the time where no view is folded. */
  async #fold(tail: TailSegments, publisher: TailPublisher): Promise<void> {
    if (this.#chains.length === 0) return this.#stopped();
    while (!this.#stop.signal.aborted) {
      try {
        const held = this.#held;
        await Promise.race([held, this.#stopped()]);
        if (this.#held !== held) continue;
        this.#stop.signal.throwIfAborted();
        this.#consumer = this.#lifecycle.use(this.#consume(tail));
        await this.#consumer.done;
      } catch (error) {
        if (!isOutOfRange(error)) throw error;
        await this.#overGap(tail, publisher, error);
      }
    }
  }

  #consume(tail: TailSegments): Consumer {
    const { type, partition, log, archivedIds, foldOf, bound, skipped, tracing } = this.#options;
    const views = this.#chains.map((chain) => {
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
  async #overGap(tail: TailSegments, publisher: TailPublisher, error: TidemarkError): Promise<void> {
    const { type, partition, log } = this.#options;
    const at = (offsets: readonly Offset[]) => offsetAt({ [type.name]: offsets }, type.name, partition);
    const [start, end] = [at(await log.starts(type.name)), at(await log.nexts(type.name))];
    const chains = this.#chains;
    if (chains.some(({ next }) => next > end)) throw error;
    for (const { view, next } of chains)
      if (!isRecomputed(view) && next < start) await this.#beginAnew(tail, publisher, view, start);
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

  /** No generation makes up for what is missing: all of the view is folded once more, from files up to where the log begins. */
  async #beginAnew(tail: TailSegments, publisher: TailPublisher, view: View, start: Offset): Promise<void> {
    const { type, partition } = this.#options;
    const before = Array.from({ length: partition }, () => 0 as Offset);
    await tail.align(view, { [type.name]: [...before, start] });
    void this.#keepWhole(tail, publisher, view);
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
    await this.#lifecycle[Symbol.asyncDispose]();
    await this.done.catch(() => {});
  }
}

function isOutOfRange(error: unknown): error is TidemarkError {
  return error instanceof TidemarkError && error.code === "TIDEMARK_STORE_OUT_OF_RANGE";
}
