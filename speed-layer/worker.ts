import { setTimeout as pause } from "node:timers/promises";
import type { Generations } from "../infra/generations/generations.ts";
import type { Log } from "../infra/log/log.ts";
import type { App } from "../views/app.ts";
import type { TidemarkError } from "../views/errors.ts";
import type { EventType } from "../views/event.ts";
import type { View } from "../views/view.ts";
import { noneSkipped, type Past, type Skipped } from "./admission.ts";
import type { FoldTracing } from "./consumer.ts";
import { EntryBound } from "./entry-bound.ts";
import { compileFolds } from "./fold.ts";
import { PartitionOwner } from "./partition-owner.ts";
import { defaultSnapshotBytes } from "./tail-publisher.ts";

/** Its log has the events' topics and the tail topics. */
export interface SpeedWorkerOptions extends Past {
  readonly log: Log;
  readonly app: App;
  readonly generations: Pick<Generations, "current" | "watch">;
  readonly newId: () => string;
  readonly limits: {
    /** How many entries the partitions folded here may hold together; see `defaultEntries`. */
    readonly entries: number;
    /** See `TailPublisherOptions`. Default 16 MiB. */
    readonly snapshotBytes?: number;
  };
  /** 80 % of the entries are held: a batch run would make room. Called once per crossing. */
  readonly onTailNearBound: () => void;
  readonly onUnaligned: (view: View, error: TidemarkError) => void;
  readonly onGap: (error: TidemarkError) => void;
  readonly tracing?: FoldTracing | undefined;
}

/** How long after another claimed a partition that is still assigned here this one claims it again: assignments settle first. */
const reclaimMs = 3_000;

interface Owned {
  readonly type: EventType;
  readonly partition: number;
  readonly stop: AbortController;
  ended: Promise<void>;
  owner: PartitionOwner | undefined;
}

/** One of the speed layer's processes: folds the partitions that it is assigned. */
export class SpeedWorker implements AsyncDisposable {
  /** Counts since the start. */
  readonly skipped: Skipped = noneSkipped();
  /** Rejects when it can't go on; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #options: SpeedWorkerOptions;
  readonly #bound: EntryBound;
  readonly #foldOf;
  readonly #owned = new Map<string, Owned>();
  #fail: (error: unknown) => void = () => {};
  #end: () => void = () => {};

  constructor(options: SpeedWorkerOptions) {
    this.#options = options;
    this.#bound = new EntryBound({ entries: options.limits.entries, onNear: options.onTailNearBound });
    this.#foldOf = compileFolds(options.app.views);
    this.done = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    this.done.catch(() => {});
  }

  /** From now on exactly these partitions, by topic; those that it had already go on undisturbed. */
  assign(assignment: Readonly<Record<string, readonly number[]>>): void {
    const wanted = new Map<string, { readonly type: EventType; readonly partition: number }>();
    for (const type of this.#options.app.events) {
      for (const partition of assignment[type.name] ?? [])
        wanted.set(`${type.name}/${partition}`, { type, partition });
    }
    for (const [key, { stop }] of this.#owned) if (!wanted.has(key)) stop.abort();
    for (const [key, { type, partition }] of wanted) {
      const before = this.#owned.get(key);
      if (before === undefined || before.stop.signal.aborted) this.#own(key, type, partition, before?.ended);
    }
  }

  /** Why it does not fold all that it is assigned; empty if it does. */
  get obstacles(): readonly string[] {
    return [...this.#owned.values()].flatMap(({ type, partition, owner }) => {
      const obstacle = owner === undefined ? "another has claimed it" : owner.obstacle;
      return obstacle === undefined ? [] : [`${type.name}/${partition}: ${obstacle}`];
    });
  }

  #own(key: string, type: EventType, partition: number, before: Promise<void> | undefined): void {
    const owned: Owned = {
      type,
      partition,
      stop: new AbortController(),
      owner: undefined,
      ended: Promise.resolve(),
    };
    owned.ended = this.#keepOwning(owned, before)
      .catch((error) => this.#fail(error))
      .finally(() => {
        if (this.#owned.get(key) === owned) this.#owned.delete(key);
      });
    this.#owned.set(key, owned);
  }

  async #keepOwning(owned: Owned, before: Promise<void> | undefined): Promise<void> {
    const { signal } = owned.stop;
    await before;
    while (!signal.aborted) {
      await this.#ownOnce(owned);
      await pause(reclaimMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Until it is told to stop, or another claims the partition. */
  async #ownOnce(owned: Owned): Promise<void> {
    const { app, log, archivedIds, archivedEvents, generations, newId, limits } = this.#options;
    const { onUnaligned, onGap, tracing } = this.#options;
    const owner = new PartitionOwner({
      ...{
        app,
        type: owned.type,
        partition: owned.partition,
        log,
        archivedIds,
        archivedEvents,
        generations,
        newId,
      },
      ...{ onUnaligned, onGap, tracing },
      ...{ foldOf: this.#foldOf, bound: this.#bound, skipped: this.skipped },
      snapshotBytes: limits.snapshotBytes ?? defaultSnapshotBytes,
      maxEntries: () => limits.entries - this.entries,
      onAdvance: () => this.#bound.note(this.entries),
    });
    owned.owner = owner;
    try {
      await Promise.race([owner.lost, owner.done, aborted(owned.stop.signal)]);
    } finally {
      await owner[Symbol.asyncDispose]();
      owned.owner = undefined;
      this.#bound.note(this.entries);
    }
  }

  /** Of the partitions that are folded here. */
  get entries(): number {
    let entries = 0;
    for (const { owner } of this.#owned.values()) entries += owner?.entries ?? 0;
    return entries;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bound[Symbol.dispose]();
    const all = [...this.#owned.values()];
    for (const { stop } of all) stop.abort();
    await Promise.all(all.map(({ ended }) => ended));
    this.#end();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
