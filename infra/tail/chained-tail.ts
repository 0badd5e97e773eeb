import type { Cut } from "../../views/cut.ts";
import { offsetIn } from "../../views/mapping.ts";
import type { View } from "../../views/view.ts";
import type { Chain } from "./chain.ts";
import { mergeSegments } from "./merge-segments.ts";
import { PathTail } from "./path-tail.ts";
import type { TailSegment } from "./segment.ts";

/** A chain longer than this is merged where nobody needs the boundary. */
const maxSegments = 4;

/** Chains of segments as one tail that queries read. Whoever changes a chain says so. */
export class ChainedTail extends PathTail<Chain> implements AsyncDisposable {
  readonly #mergesLongChains: boolean;
  #merging: Promise<void> | undefined;
  #isClosed = false;

  constructor(
    chains: ReadonlyMap<View, readonly Chain[]>,
    options: { readonly mergesLongChains?: boolean } = {},
  ) {
    super(chains);
    this.#mergesLongChains = options.mergesLongChains ?? true;
  }

  override boundariesChanged(): void {
    super.boundariesChanged();
    this.#mergeLongChains();
  }

  override release(view: View, cut: Cut): void {
    for (const chain of this.chainsOf(view)) {
      chain.release(offsetIn(cut, view, chain.partition));
    }
    this.boundariesChanged();
  }

  #mergeLongChains(): void {
    if (this.#merging !== undefined || this.#nextMerge() === undefined) return;
    this.#merging = this.#merge().finally(() => {
      this.#merging = undefined;
    });
  }

  #nextMerge(): { readonly chain: Chain; readonly pair: readonly [TailSegment, TailSegment] } | undefined {
    if (this.#isClosed || !this.#mergesLongChains) return undefined;
    for (const chain of this.chains) {
      const pair = chain.segmentCount > maxSegments ? chain.mergeable() : undefined;
      if (pair !== undefined) return { chain, pair };
    }
    return undefined;
  }

  async #merge(): Promise<void> {
    for (let next = this.#nextMerge(); next !== undefined; next = this.#nextMerge()) {
      const { chain, pair } = next;
      chain.replace(...pair, await mergeSegments(...pair));
      super.boundariesChanged();
    }
  }

  /** Stops what goes on in the background. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#merging;
  }
}
