import type { Cut, Offset } from "../../views/cut.ts";
import { offsetIn, viewPartition } from "../../views/mapping.ts";
import type { View } from "../../views/view.ts";
import type { Chain } from "./chain.ts";
import { mergeSegments } from "./merge-segments.ts";
import type { TailSegment } from "./segment.ts";
import type { Segment, Tail } from "./tail.ts";

/** A chain longer than this is merged where nobody needs the boundary. */
const maxSegments = 4;

/** Chains of segments as one tail that queries read. Whoever changes a chain says so. */
export class ChainedTail implements Tail, AsyncDisposable {
  readonly #chains: ReadonlyMap<View, readonly Chain[]>;
  readonly #all: readonly Chain[];
  readonly #mergesLongChains: boolean;
  readonly #listeners = new Set<() => void>();
  /** Answers of `segments` by view, while no boundary changes. */
  readonly #paths = new Map<View, { readonly cut: Cut; readonly segments: readonly Segment[] | undefined }>();
  #merging: Promise<void> | undefined;
  #isClosed = false;
  #version = 0;

  /** By view, the chains of those of its partitions that are here: for `segments` all must be. */
  constructor(
    chains: ReadonlyMap<View, readonly Chain[]>,
    options: { readonly mergesLongChains?: boolean } = {},
  ) {
    this.#chains = chains;
    this.#all = [...chains.values()].flat();
    this.#mergesLongChains = options.mergesLongChains ?? true;
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
    for (const chain of this.chainsOf(view)) {
      const segments = chain.pathFrom(offsetIn(cut, view, chain.partition));
      if (segments === undefined) return undefined;
      path.push(...segments);
    }
    return path;
  }

  position(view: View): Cut {
    const cut: Record<string, Offset[]> = {};
    for (const chain of this.chainsOf(view)) {
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

  /** Segments were added, sealed or dropped. */
  boundariesChanged(): void {
    this.#paths.clear();
    this.advanced();
    this.#mergeLongChains();
  }

  /** Boundaries have changed under a reader that knows. */
  protected forgetPaths(): void {
    this.#paths.clear();
    this.#version++;
  }

  release(view: View, cut: Cut): void {
    for (const chain of this.chainsOf(view)) {
      chain.release(offsetIn(cut, view, chain.partition));
    }
    this.boundariesChanged();
  }

  chainsOf(view: View): readonly Chain[] {
    return this.#chains.get(view) ?? [];
  }

  #mergeLongChains(): void {
    if (this.#merging !== undefined || this.#nextMerge() === undefined) return;
    this.#merging = this.#merge().finally(() => {
      this.#merging = undefined;
    });
  }

  #nextMerge(): { readonly chain: Chain; readonly pair: readonly [TailSegment, TailSegment] } | undefined {
    if (this.#isClosed || !this.#mergesLongChains) return undefined;
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

  /** Stops what goes on in the background. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#merging;
  }
}
