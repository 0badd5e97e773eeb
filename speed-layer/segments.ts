import type { Chain } from "../infra/tail/chain.ts";
import { ChainedTail } from "../infra/tail/chained-tail.ts";
import type { TailSegment } from "../infra/tail/segment.ts";
import type { Cut, Offset } from "../views/cut.ts";
import { isRecomputed } from "../views/layers.ts";
import { offsetIn, viewPartition } from "../views/mapping.ts";
import type { View } from "../views/view.ts";

export interface TailSegmentsOptions {
  /** By view, a chain for each of `view.partitions` that is folded here. */
  readonly chains: ReadonlyMap<View, readonly Chain[]>;
  /** Folds records `[from, next)` of a partition from the log into a sealed segment. */
  readonly foldFromLog: (
    chain: Chain,
    from: Offset,
    next: Offset,
    signal: AbortSignal,
    /** Default: as many as there is room for. */
    maxEntries?: number,
  ) => Promise<TailSegment>;
  /** Default true. */
  readonly mergesLongChains?: boolean;
}

/** The chains that the speed layer folds into: it seals them, and aligns them to the cuts of generations. */
export class TailSegments extends ChainedTail {
  readonly #foldFromLog: TailSegmentsOptions["foldFromLog"];
  /** The cut that it was last asked to align the view to. */
  readonly #wanted = new Map<View, Cut>();
  /** Up to where readers let go, where what is wanted keeps some of that. */
  readonly #released = new Map<View, Cut>();
  readonly #alignments = new Map<View, { readonly abort: AbortController; readonly done: Promise<void> }>();

  constructor({ chains, foldFromLog, ...options }: TailSegmentsOptions) {
    super(chains, options);
    this.#foldFromLog = foldFromLog;
  }

  /**
   * Closes every open segment at the present position, and gives it: what every view of a topic has folded. Those that no
   * generation is made of are passed by: a topic of no others is not in the cut.
   */
  seal(): Cut {
    const cut: Record<string, Offset[]> = {};
    for (const chain of this.chains) {
      if (!isRecomputed(chain.view)) continue;
      chain.seal();
      const { topic, partition } = viewPartition(chain.view, chain.partition);
      cut[topic] ??= [];
      const nexts = cut[topic] ?? [];
      nexts[partition] = Math.min(nexts[partition] ?? chain.next, chain.next) as Offset;
    }
    this.boundariesChanged();
    return cut;
  }

  /**
   * Makes a boundary at the cut in every partition of the view. Where the cut lies ahead, the chain begins anew there;
   * where records before a boundary are missing, they are folded from the log first, in the background. A later call for
   * the same view takes the place of this one. Rejects as `foldFromLog` does.
   */
  align(view: View, cut: Cut): Promise<void> {
    this.#alignments.get(view)?.abort.abort();
    this.#wanted.set(view, cut);
    const abort = new AbortController();
    const done = this.#align(view, cut, abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted) throw error;
    });
    // Whoever called handles the failure; disposing only waits for the end.
    this.#alignments.set(view, { abort, done: done.catch(() => {}) });
    return done;
  }

  async #align(view: View, cut: Cut, signal: AbortSignal): Promise<void> {
    const chains = this.chainsOf(view).map((chain) => ({
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
    this.#letGo(view);
    this.boundariesChanged();
  }

  /**
   * Keeps what begins at the cut that it aligned itself to last: readers look at the pointers by themselves, and may have gone on
   * to a generation of which this has not heard, and back.
   */
  override release(view: View, cut: Cut): void {
    this.#released.set(view, cut);
    this.#letGo(view);
    this.boundariesChanged();
  }

  #letGo(view: View): void {
    const released = this.#released.get(view);
    if (released === undefined) return;
    const wanted = this.#wanted.get(view) ?? released;
    let isWhole = true;
    for (const chain of this.chainsOf(view)) {
      const upTo = offsetIn(released, view, chain.partition);
      const kept = offsetIn(wanted, view, chain.partition);
      chain.release(upTo < kept ? upTo : kept);
      isWhole &&= upTo <= kept;
    }
    if (isWhole) this.#released.delete(view);
  }

  /**
   * Folds the records from each view's cut on once more and puts the outcome in the place of what was folded, in one go.
   * Nothing may be folded meanwhile. A chain that has no boundary at the cut stays as it is. Rejects as `foldFromLog` does.
   */
  async foldAnew(cuts: ReadonlyMap<View, Cut>, maxEntries: number, signal: AbortSignal): Promise<void> {
    const folded: (readonly [Chain, TailSegment])[] = [];
    for (const chain of this.chains) {
      const at = offsetIn(cuts.get(chain.view) ?? {}, chain.view, chain.partition);
      if (!chain.hasBoundary(at)) continue;
      folded.push([chain, await this.#foldFromLog(chain, at, chain.next, signal, maxEntries)]);
    }
    for (const [chain, fresh] of folded) chain.replaceFrom(fresh);
    this.boundariesChanged();
  }

  async #addPrefix(chain: Chain, at: Offset, signal: AbortSignal): Promise<void> {
    if (at > chain.open.from) chain.seal();
    const next = chain.boundaryAfter(at) ?? chain.next;
    chain.want(next);
    this.boundariesChanged();
    const prefix = await this.#foldFromLog(chain, at, next, signal);
    signal.throwIfAborted();
    chain.addPrefix(prefix);
  }

  /** Stops what goes on in the background. */
  override async [Symbol.asyncDispose](): Promise<void> {
    for (const { abort, done } of this.#alignments.values()) {
      abort.abort();
      await done;
    }
    await super[Symbol.asyncDispose]();
  }
}
