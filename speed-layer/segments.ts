import type { TailSegment } from "../infra/tail/segment.ts";
import type { Segment, Tail } from "../infra/tail/tail.ts";
import type { Cut, Offset } from "../views/cut.ts";
import { offsetIn, viewPartition } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import type { Chain } from "./chain.ts";
import { mergeSegments } from "./merge.ts";

/** A chain longer than this is merged where nobody needs the boundary. */
const maxSegments = 4;

export interface TailSegmentsOptions {
  /** By view, a chain for each of `view.partitions`. */
  readonly chains: ReadonlyMap<View, readonly Chain[]>;
  /** Folds records `[from, next)` of a partition from the log into a sealed segment. */
  readonly foldFromLog: (
    chain: Chain,
    from: Offset,
    next: Offset,
    signal: AbortSignal,
  ) => Promise<TailSegment>;
}

/** All chains of the speed layer: the tail that queries read. */
export class TailSegments implements Tail, AsyncDisposable {
  readonly #chains: ReadonlyMap<View, readonly Chain[]>;
  readonly #all: readonly Chain[];
  readonly #foldFromLog: TailSegmentsOptions["foldFromLog"];
  readonly #listeners = new Set<() => void>();
  readonly #alignments = new Map<View, { readonly abort: AbortController; readonly done: Promise<void> }>();
  /** Answers of `segments` by view, while no boundary changes. */
  readonly #paths = new Map<View, { readonly cut: Cut; readonly segments: readonly Segment[] | undefined }>();
  #merging: Promise<void> | undefined;
  #isClosed = false;
  #version = 0;

  constructor(options: TailSegmentsOptions) {
    this.#chains = options.chains;
    this.#all = [...options.chains.values()].flat();
    this.#foldFromLog = options.foldFromLog;
  }

  get version(): number {
    return this.#version;
  }

  get chains(): readonly Chain[] {
    return this.#all;
  }

  get entries(): number {
    let entries = 0;
    for (const chain of this.#all) entries += chain.size;
    return entries;
  }

  segments(view: View, cut: Cut): readonly Segment[] | undefined {
    const known = this.#paths.get(view);
    if (known?.cut === cut) return known.segments;
    const segments = this.#path(view, cut);
    this.#paths.set(view, { cut, segments });
    return segments;
  }

  #path(view: View, cut: Cut): readonly Segment[] | undefined {
    const path: Segment[] = [];
    for (const chain of this.#chainsOf(view)) {
      const segments = chain.pathFrom(offsetIn(cut, view, chain.partition));
      if (segments === undefined) return undefined;
      path.push(...segments);
    }
    return path;
  }

  position(view: View): Cut {
    const cut: Record<string, Offset[]> = {};
    for (const chain of this.#chainsOf(view)) {
      const { topic, partition } = viewPartition(view, chain.partition);
      cut[topic] ??= [];
      (cut[topic] as Offset[])[partition] = chain.next;
    }
    return cut;
  }

  onAdvance(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** States or positions have changed; boundaries have not. */
  advanced(): void {
    this.#version++;
    for (const listener of this.#listeners) listener();
  }

  #boundariesChanged(): void {
    this.#paths.clear();
    this.advanced();
    this.#mergeLongChains();
  }

  /** Closes every open segment at the present position, and gives it: what every view of a topic has folded. */
  seal(): Cut {
    const cut: Record<string, Offset[]> = {};
    for (const chain of this.#all) {
      chain.seal();
      const { topic, partition } = viewPartition(chain.view, chain.partition);
      cut[topic] ??= [];
      const nexts = cut[topic] ?? [];
      nexts[partition] = Math.min(nexts[partition] ?? chain.next, chain.next) as Offset;
    }
    this.#boundariesChanged();
    return cut;
  }

  /**
   * Makes a boundary at the cut in every partition of the view. Where the cut lies ahead, the chain begins anew there;
   * where records before a boundary are missing, they are folded from the log first, in the background. A later call for
   * the same view takes the place of this one. Rejects as `foldFromLog` does.
   */
  align(view: View, cut: Cut): Promise<void> {
    this.#alignments.get(view)?.abort.abort();
    const abort = new AbortController();
    const done = this.#align(view, cut, abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted) throw error;
    });
    // Whoever called handles the failure; disposing only waits for the end.
    this.#alignments.set(view, { abort, done: done.catch(() => {}) });
    return done;
  }

  async #align(view: View, cut: Cut, signal: AbortSignal): Promise<void> {
    const chains = this.#chainsOf(view).map((chain) => ({
      chain,
      at: offsetIn(cut, view, chain.partition),
    }));
    for (const { chain, at } of chains) chain.want(at);
    for (;;) {
      for (const { chain, at } of chains) if (at === chain.next) chain.seal();
      const missing = chains.find(({ chain, at }) => at < chain.next && !chain.hasBoundary(at));
      if (missing === undefined) break;
      await this.#addPrefix(missing.chain, missing.at, signal);
    }
    // In one go, so that no reader finds some partitions at this cut and some at the one before.
    for (const { chain, at } of chains) if (at > chain.next) chain.jump(at);
    this.#boundariesChanged();
  }

  async #addPrefix(chain: Chain, at: Offset, signal: AbortSignal): Promise<void> {
    if (at > chain.open.from) chain.seal();
    const next = chain.boundaryAfter(at) ?? chain.next;
    chain.want(next);
    this.#boundariesChanged();
    const prefix = await this.#foldFromLog(chain, at, next, signal);
    signal.throwIfAborted();
    chain.addPrefix(prefix);
  }

  release(view: View, cut: Cut): void {
    for (const chain of this.#chainsOf(view)) {
      chain.release(offsetIn(cut, view, chain.partition));
    }
    this.#boundariesChanged();
  }

  #mergeLongChains(): void {
    if (this.#merging !== undefined || this.#nextMerge() === undefined) return;
    this.#merging = this.#merge().finally(() => {
      this.#merging = undefined;
    });
  }

  #nextMerge(): { readonly chain: Chain; readonly pair: readonly [TailSegment, TailSegment] } | undefined {
    if (this.#isClosed) return undefined;
    for (const chain of this.#all) {
      const pair = chain.segmentCount > maxSegments ? chain.mergeable() : undefined;
      if (pair !== undefined) return { chain, pair };
    }
    return undefined;
  }

  async #merge(): Promise<void> {
    for (let next = this.#nextMerge(); next !== undefined; next = this.#nextMerge()) {
      const { chain, pair } = next;
      chain.replace(...pair, await mergeSegments(...pair));
      this.#paths.clear();
      this.advanced();
    }
  }

  #chainsOf(view: View): readonly Chain[] {
    return this.#chains.get(view) ?? [];
  }

  /** Stops what goes on in the background. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const { abort, done } of this.#alignments.values()) {
      abort.abort();
      await done;
    }
    await this.#merging;
  }
}
