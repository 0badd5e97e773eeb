import type { Generations } from "../infra/generations/generations.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import type { Log, LogBatch } from "../infra/log/log.ts";
import type { Chain } from "../infra/tail/chain.ts";
import type { TailCheckpoint } from "../infra/tail/checkpoint.ts";
import type { SealRequest } from "../infra/tail/tail.ts";
import type { Timers } from "../infra/timers.ts";
import type { App } from "../views/app.ts";
import type { Cut } from "../views/cut.ts";
import type { TidemarkError } from "../views/errors.ts";
import { isFolded, isRecomputed } from "../views/layers.ts";
import { viewPartition } from "../views/mapping.ts";
import { needsGeneration } from "../views/version.ts";
import type { View } from "../views/view.ts";
import { noneSkipped, type Past, type Skipped } from "./admission.ts";
import { Checkpointing } from "./checkpointing.ts";
import { consumeTopic, type FoldTracing } from "./consumer.ts";
import { Consuming } from "./consuming.ts";
import { EntryBound } from "./entry-bound.ts";
import { compileFolds } from "./fold.ts";
import { foldFromLog } from "./prefix.ts";
import { restoreChains } from "./restore.ts";
import { TailSegments } from "./segments.ts";
import { foldWhole, isUnreachable } from "./whole-tail.ts";

export interface SpeedLayerOptions {
  readonly app: App;
  readonly log: Log;
  /** Needed once the log has let go of what is archived. */
  readonly archivedIds?: Past["archivedIds"];
  readonly archivedEvents?: Past["archivedEvents"];
  readonly checkpoint: TailCheckpoint;
  readonly generations: Pick<Generations, "current" | "watch">;
  readonly timers: Timers;
  /** Milliseconds of a clock that never goes back, such as `performance.now`. */
  readonly now: () => number;
  readonly limits: {
    /** How many entries (a group in a pane of a segment) the tail may hold; see `defaultEntries`. */
    readonly entries: number;
  };
  /** The tail holds 80 % of its entries: a batch run would make room. Called once per crossing. */
  readonly onTailNearBound: () => void;
  /** A generation's cut can't be reached (TIDEMARK_STORE_OUT_OF_RANGE, TIDEMARK_TAIL_FULL): the next one may. */
  readonly onUnaligned: (view: View, error: TidemarkError) => void;
  readonly tracing?: FoldTracing | undefined;
}

export const defaultEntries = 4_000_000;

export interface SpeedLayer extends SealRequest, AsyncDisposable {
  readonly tail: TailSegments;
  /** Never rejects for being behind: it gives what it has folded. */
  seal(): Promise<Cut>;
  /**
   * Folds what lies after the cuts of the current generations anew, as if what lies before and is not in the master dataset
   * any more had never been. `letGo` is called once nothing needs the log's records from before the cuts.
   */
  renew(letGo: () => Promise<void>): Promise<void>;
  /** Counts since the start. */
  readonly skipped: Readonly<Skipped>;
  /** That the tail holds. */
  readonly entries: number;
  /** More records are there to be folded than those in hand. */
  readonly isBehind: boolean;
  /** Rejects when the speed layer fails for good; resolves once it is disposed of. */
  readonly done: Promise<void>;
}

/**
 * Starts folding where the checkpoint left off. The log, the generations and the checkpoint stay the caller's to close,
 * after this. Throws TIDEMARK_STORE_OUT_OF_RANGE if the checkpoint is ahead of the log.
 */
export async function startSpeedLayer(options: SpeedLayerOptions): Promise<SpeedLayer> {
  const { app, log, checkpoint, generations } = options;
  const chains = await restoreChains(app.views, log, checkpoint, generations);
  const lifecycle = new Lifecycle();
  try {
    return start(options, chains, lifecycle);
  } catch (error) {
    await lifecycle[Symbol.asyncDispose]();
    throw error;
  }
}

function start(
  options: SpeedLayerOptions,
  chains: ReadonlyMap<View, readonly Chain[]>,
  lifecycle: Lifecycle,
): SpeedLayer {
  const { app, log, archivedIds, archivedEvents, checkpoint, generations, limits, timers, now, tracing } =
    options;
  const foldOf = compileFolds(app.views);
  const pastOf = (view: View): Past =>
    isRecomputed(view) ? { log, archivedIds } : { log, archivedIds, archivedEvents };
  const tail = new TailSegments({
    chains,
    foldFromLog: (chain, from, next, signal, maxEntries = limits.entries - tail.entries) =>
      foldFromLog(pastOf(chain.view), {
        view: chain.view,
        fold: foldOf(chain.view, viewPartition(chain.view, chain.partition).mapping),
        partition: chain.partition,
        from,
        next,
        maxEntries,
        signal,
      }),
  });
  const stopping = new AbortController();
  const skipped: Skipped = noneSkipped();
  const bound = new EntryBound({ entries: limits.entries, onNear: options.onTailNearBound });
  const checkpointing = lifecycle.use(new Checkpointing({ checkpoint, chains: tail.chains, timers, now }));
  lifecycle.use(tail);
  lifecycle.use(tail.onAdvance(() => bound.note(tail.entries)));
  bound.note(tail.entries);
  const behind = new Set<string>();
  const onBatch = ({ topic, partition, next, end }: LogBatch) => {
    const place = `${topic}/${partition}`;
    if (next < end) behind.add(place);
    else behind.delete(place);
  };
  const consumers = () =>
    app.events.flatMap((type) => {
      const views = [...chains].flatMap(([view, ofView]) =>
        view.mappings
          .filter(({ event }) => event === type)
          .map((mapping) => ({
            fold: foldOf(view, mapping),
            chains: ofView.filter((chain) => viewPartition(view, chain.partition).mapping === mapping),
          })),
      );
      if (views.length === 0) return [];
      return [consumeTopic({ log, archivedIds, type, views, tail, bound, skipped, onBatch, tracing })];
    });
  const consuming = lifecycle.use(new Consuming(consumers));
  lifecycle.defer(() => stopping.abort());
  // Ends before the consumers do, which may be waiting for room.
  lifecycle.use(bound);

  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const stop = new AbortController();
  lifecycle.defer(() => stop.abort());
  for (const view of app.views.filter((each) => !isRecomputed(each))) {
    foldWhole({ tail, view, signal: stop.signal, onUnaligned: options.onUnaligned }).catch(fail);
  }
  const aligned = app.views.filter((each) => isFolded(each) && isRecomputed(each));
  lifecycle.use(
    generations.watch(aligned, (view, current) => {
      // Nobody reads it before it has one.
      if (current === undefined && needsGeneration(view)) return;
      tail.align(view, current?.cut ?? {}).catch((error: unknown) => {
        if (isUnreachable(error)) options.onUnaligned(view, error);
        else fail(error);
      });
    }),
  );
  return {
    tail,
    skipped,
    get entries() {
      return tail.entries;
    },
    get isBehind() {
      return behind.size > 0;
    },
    done: Promise.race([failed, Promise.all([checkpointing.done, consuming.done]).then(() => {})]),
    async seal() {
      const cut = tail.seal();
      await checkpointing.write();
      return cut;
    },
    async renew(letGo) {
      const cuts = new Map<View, Cut>();
      for (const view of app.views.filter(isFolded)) {
        const { cut = {} } = (isRecomputed(view) ? await generations.current(view) : undefined) ?? {};
        cuts.set(view, cut);
        await tail.align(view, cut).catch((error: unknown) => {
          if (!isUnreachable(error)) throw error;
        });
      }
      await letGo();
      await consuming.whileStopped(() => tail.foldAnew(cuts, limits.entries, stopping.signal));
      await checkpointing.write();
    },
    [Symbol.asyncDispose]: () => lifecycle[Symbol.asyncDispose](),
  };
}
