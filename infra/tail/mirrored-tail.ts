import { setImmediate } from "node:timers/promises";
import type { Cut, Offset } from "../../views/cut.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { Chain } from "./chain.ts";
import { ChainedTail } from "./chained-tail.ts";
import { TailSegment } from "./segment.ts";
import { decodeRow } from "./tail-record.ts";
import { type Telling, type ToldChain, type ToldSegment, type ToldView, unpackRows } from "./telling.ts";

/** How long is told in one turn of the event loop, in milliseconds: queries wait for it. */
const turnMs = 1;

export interface MirroredTailOptions {
  /** Those of the app that are folded. */
  readonly views: readonly View[];
  /** Passes on what readers let go of: the chains are another's. */
  readonly release: (view: View, cut: Cut) => void;
}

/** The tail that another thread of the process folds, in the memory of this one: as that tells it, telling by telling. */
export class MirroredTail extends ChainedTail {
  readonly #views: readonly View[];
  readonly #release: (view: View, cut: Cut) => void;
  #segments = new Map<number, TailSegment>();

  constructor({ views, release }: MirroredTailOptions) {
    super(
      new Map(
        views.map((view) => [
          view,
          view.partitions.map((_, partition) => new Chain(view, partition, 0 as Offset)),
        ]),
      ),
      { mergesLongChains: false },
    );
    this.#views = views;
    this.#release = release;
  }

  override release(view: View, cut: Cut): void {
    this.#release(view, cut);
  }

  /**
   * Resolves once it holds what is told; the next telling must come after that. Gives up the thread in between, but not within
   * a view of which boundaries change, nor within a chain.
   */
  async apply({ rows, views }: Telling): Promise<void> {
    const fresh = this.#freshSegments(views);
    const changed = new Map<TailSegment, StateRow[]>();
    const turn = new Turn();
    for (const bytes of rows) {
      const { id, rows: encoded } = unpackRows(bytes);
      const unseen = fresh.get(id);
      const segment = unseen ?? (this.#segments.get(id) as TailSegment);
      const decoded = encoded.map((row) => decodeRow(segment.view, row));
      // Nobody reads a segment that stands in no chain yet.
      if (unseen === undefined) changed.set(segment, [...(changed.get(segment) ?? []), ...decoded]);
      else for (const row of decoded) unseen.replaceRow(row);
      await turn.giveUpIfLong();
    }
    for (const [id, segment] of fresh) this.#segments.set(id, segment);
    for (const { view, chains } of views) {
      const told = this.#toldChains(view, chains);
      const haveMoved = told.some(haveBoundariesMoved);
      for (const each of told) {
        extend(each, changed);
        if (haveMoved) continue;
        this.advanced();
        await turn.giveUpIfLong();
      }
      if (haveMoved) this.boundariesChanged();
    }
    this.#forgetDropped();
  }

  #freshSegments(views: readonly ToldView[]): ReadonlyMap<number, TailSegment> {
    const fresh = new Map<number, TailSegment>();
    for (const { view, chains } of views) {
      for (const { partition, segments } of chains) {
        for (const { id, from } of segments) {
          if (!this.#segments.has(id)) fresh.set(id, new TailSegment(this.#view(view), partition, from));
        }
      }
    }
    return fresh;
  }

  #view(number: number): View {
    return this.#views[number] as View;
  }

  #toldChains(view: number, chains: readonly ToldChain[]): readonly ChainNews[] {
    return chains.map(({ partition, segments }) => ({
      chain: this.chainsOf(this.#view(view))[partition] as Chain,
      segments: segments.map(({ id }) => this.#segments.get(id) as TailSegment),
      told: segments,
    }));
  }

  #forgetDropped(): void {
    const held = new Set(this.chains.flatMap((chain) => chain.segments));
    for (const [id, segment] of this.#segments) if (!held.has(segment)) this.#segments.delete(id);
  }
}

/** What a chain is to be made of, and what of that was told. */
interface ChainNews {
  readonly chain: Chain;
  readonly segments: readonly TailSegment[];
  readonly told: readonly ToldSegment[];
}

function haveBoundariesMoved({ chain, segments }: ChainNews): boolean {
  const known = chain.segments;
  return known.length !== segments.length || segments.some((segment, i) => segment !== known[i]);
}

function extend(news: ChainNews, changed: ReadonlyMap<TailSegment, readonly StateRow[]>): void {
  const { chain, segments, told } = news;
  const haveMoved = haveBoundariesMoved(news);
  for (const [i, segment] of segments.entries()) {
    const { next, isSealed } = told[i] as ToldSegment;
    for (const row of changed.get(segment) ?? []) segment.replaceRow(row);
    segment.advance(next);
    if (isSealed) segment.seal();
  }
  if (!haveMoved) return;
  chain.become(Chain.restore(chain.view, chain.partition, segments), { keepsFormer: false });
  chain.forgetDropped();
}

class Turn {
  #ends = performance.now() + turnMs;

  async giveUpIfLong(): Promise<void> {
    if (performance.now() < this.#ends) return;
    await setImmediate();
    this.#ends = performance.now() + turnMs;
  }
}
