import { setImmediate } from "node:timers/promises";
import type { Cut, Offset } from "../../views/cut.ts";
import type { View } from "../../views/view.ts";
import { pathFrom } from "./chain.ts";
import { MirroredSegment } from "./mirrored-segment.ts";
import { type Path, PathTail } from "./path-tail.ts";
import type { Telling, ToldChain, ToldView } from "./telling.ts";

/** How long is told in one turn of the event loop, in milliseconds: queries wait for it. */
const turnMs = 1;

export interface MirroredTailOptions {
  /** Those of the app that are folded. */
  readonly views: readonly View[];
  /** Passes on what readers let go of: the chains are another's. */
  readonly release: (view: View, cut: Cut) => void;
}

/** The tail that another thread of the process folds, in the memory of this one: as that tells it, telling by telling. */
export class MirroredTail extends PathTail<MirroredChain> {
  readonly #views: readonly View[];
  readonly #release: (view: View, cut: Cut) => void;
  #segments: ReadonlyMap<number, MirroredSegment> = new Map();

  constructor({ views, release }: MirroredTailOptions) {
    super(
      new Map(
        views.map((view) => [
          view,
          view.partitions.map((_, partition) => new MirroredChain(view, partition)),
        ]),
      ),
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
    const turn = new Turn();
    const changes = new Map<number, Uint8Array<ArrayBuffer>[]>();
    for (const { id, bytes } of rows) {
      const unseen = fresh.get(id);
      if (unseen === undefined) {
        changes.set(id, [...(changes.get(id) ?? []), bytes]);
        continue;
      }
      // Nobody reads a segment that stands in no chain yet.
      unseen.take(bytes);
      await turn.giveUpIfLong();
    }
    const segments = new Map([...this.#segments, ...fresh]);
    for (const { view, chains } of views) {
      const known = this.chainsOf(this.#view(view));
      const news = chains.map((told) => ({ chain: known[told.partition] as MirroredChain, told }));
      const haveMoved = news.some(({ chain, told }) => chain.haveBoundariesMoved(told, segments));
      for (const { chain, told } of news) {
        chain.become(told, segments, changes);
        if (haveMoved) continue;
        this.advanced();
        await turn.giveUpIfLong();
      }
      if (haveMoved) this.boundariesChanged();
    }
    const held = new Set(this.chains.flatMap((chain) => chain.segments));
    this.#segments = new Map([...segments].filter(([, segment]) => held.has(segment)));
    for (const segment of held) while (segment.settle()) await turn.giveUpIfLong();
  }

  #freshSegments(views: readonly ToldView[]): ReadonlyMap<number, MirroredSegment> {
    const fresh = new Map<number, MirroredSegment>();
    for (const { view, chains } of views) {
      for (const { partition, segments } of chains) {
        for (const { id, from } of segments) {
          if (!this.#segments.has(id)) fresh.set(id, new MirroredSegment(this.#view(view), partition, from));
        }
      }
    }
    return fresh;
  }

  #view(number: number): View {
    return this.#views[number] as View;
  }
}

/** A chain as it was told last. */
class MirroredChain implements Path {
  readonly partition: number;
  #sealed: ReadonlyMap<Offset, MirroredSegment> = new Map();
  #open: MirroredSegment;

  constructor(view: View, partition: number) {
    this.partition = partition;
    this.#open = new MirroredSegment(view, partition, 0 as Offset);
  }

  get next(): Offset {
    return this.#open.next;
  }

  get size(): number {
    return this.segments.reduce((size, segment) => size + segment.size, 0);
  }

  /** All of them; the open one is the last. */
  get segments(): readonly MirroredSegment[] {
    return [...this.#sealed.values(), this.#open];
  }

  pathFrom(at: Offset): readonly MirroredSegment[] | undefined {
    return pathFrom(at, this.#sealed, this.#open);
  }

  haveBoundariesMoved({ segments }: ToldChain, byId: ReadonlyMap<number, MirroredSegment>): boolean {
    const known = this.segments;
    return known.length !== segments.length || segments.some(({ id }, i) => byId.get(id) !== known[i]);
  }

  become(
    { segments }: ToldChain,
    byId: ReadonlyMap<number, MirroredSegment>,
    changes: ReadonlyMap<number, readonly Uint8Array<ArrayBuffer>[]>,
  ): void {
    const sealed = new Map<Offset, MirroredSegment>();
    for (const { id, next, isSealed } of segments) {
      const segment = byId.get(id) as MirroredSegment;
      for (const rows of changes.get(id) ?? []) segment.take(rows);
      segment.advance(next);
      if (isSealed) sealed.set(segment.from, segment);
      else this.#open = segment;
    }
    this.#sealed = sealed;
  }
}

class Turn {
  #ends = performance.now() + turnMs;

  async giveUpIfLong(): Promise<void> {
    if (performance.now() < this.#ends) return;
    await setImmediate();
    this.#ends = performance.now() + turnMs;
  }
}
