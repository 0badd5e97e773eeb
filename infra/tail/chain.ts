import type { Offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { View } from "../../views/view.ts";
import type { ChainChanges, ChangingChain, SegmentChange } from "./checkpoint.ts";
import type { Path } from "./path-tail.ts";
import { TailSegment } from "./segment.ts";
import type { Segment } from "./tail.ts";

/**
 * The segments of one view in one of its partitions: sealed ones, and an open one that takes what comes next. At most one begins
 * at any offset, and where a sealed one ends another begins; so from every boundary one path of abutting segments leads to
 * the chain's position. Sealed segments may overlap (a generation's cut in the midst of one gives a second way in).
 */
export class Chain implements ChangingChain, Path {
  readonly view: View;
  readonly partition: number;
  readonly #sealed = new Map<Offset, TailSegment>();
  #open: TailSegment;
  /** Boundaries that some reader asked for and has not let go of. */
  readonly #wanted = new Set<Offset>();
  /** Segments of which the checkpoint does not know yet, or not yet that they are sealed. */
  readonly #fresh = new Set<TailSegment>();
  #dropped: TailSegment[] = [];
  #hasChanged = true;

  constructor(view: View, partition: number, at: Offset) {
    this.view = view;
    this.partition = partition;
    this.#open = new TailSegment(view, partition, at);
  }

  /** A chain as the checkpoint has it. Throws TIDEMARK_STORE_CORRUPT if its segments do not abut. */
  static restore(view: View, partition: number, segments: readonly TailSegment[]): Chain {
    const [open, second] = segments.filter((segment) => !segment.isSealed);
    if (open === undefined || second !== undefined)
      throw corrupt(view, partition, "has not one open segment");
    const chain = new Chain(view, partition, open.from);
    chain.#open = open;
    chain.#hasChanged = false;
    for (const segment of segments) if (segment !== open) chain.#sealed.set(segment.from, segment);
    for (const segment of chain.#sealed.values()) {
      if (!chain.hasBoundary(segment.next)) throw corrupt(view, partition, `has a gap at ${segment.next}`);
    }
    return chain;
  }

  /** Takes records; never sealed. */
  get open(): TailSegment {
    return this.#open;
  }

  /** The next record that is not folded. */
  get next(): Offset {
    return this.#open.next;
  }

  get size(): number {
    let size = this.#open.size;
    for (const segment of this.#sealed.values()) size += segment.size;
    return size;
  }

  /** All of them; the open one is the last. */
  get segments(): readonly TailSegment[] {
    return [...this.#sealed.values(), this.#open];
  }

  get segmentCount(): number {
    return this.#sealed.size + 1;
  }

  advance(next: Offset): void {
    this.#open.advance(next);
    this.#hasChanged = true;
  }

  hasBoundary(at: Offset): boolean {
    return at === this.#open.from || this.#sealed.has(at);
  }

  /** The first boundary after `at`, which lies before the chain's position. */
  boundaryAfter(at: Offset): Offset | undefined {
    return [...this.#sealed.keys(), this.#open.from]
      .filter((boundary) => boundary > at)
      .reduce<Offset | undefined>(
        (least, boundary) => (least === undefined || boundary < least ? boundary : least),
        undefined,
      );
  }

  /** The segments from a boundary to the position; undefined if there is no boundary. */
  pathFrom(at: Offset): readonly TailSegment[] | undefined {
    return pathFrom(at, this.#sealed, this.#open);
  }

  /** The sealed segments that cover exactly `[from, to)`; undefined if there are none that do. */
  between(from: Offset, to: Offset): readonly TailSegment[] | undefined {
    const path: TailSegment[] = [];
    let at = from;
    while (at < to) {
      const segment = this.#sealed.get(at);
      if (segment === undefined) return undefined;
      path.push(segment);
      at = segment.next;
    }
    return at === to ? path : undefined;
  }

  /** Makes the position a boundary. */
  seal(): void {
    const open = this.#open;
    if (open.from === open.next) return;
    open.seal();
    this.#sealed.set(open.from, open);
    this.#fresh.add(open);
    this.#open = new TailSegment(this.view, this.partition, open.next);
    this.#hasChanged = true;
  }

  /** Begins anew further on: what lies before is for others to answer. */
  jump(to: Offset): void {
    for (const segment of this.#sealed.values()) this.#drop(segment);
    this.#drop(this.#open);
    this.#open = new TailSegment(this.view, this.partition, to);
    // Told before what is put before it: who is told jumps as well, and lets go of what was there.
    this.#fresh.add(this.#open);
  }

  /**
   * Puts a sealed segment that ends at the position in the place of all that begins where it does, or later; where it holds no
   * records, nothing.
   */
  replaceFrom(fresh: TailSegment): void {
    for (const segment of this.#sealed.values()) if (segment.next > fresh.from) this.#drop(segment);
    this.#drop(this.#open);
    if (fresh.next > fresh.from) {
      this.#sealed.set(fresh.from, fresh);
      this.#fresh.add(fresh);
    }
    this.#open = new TailSegment(this.view, this.partition, fresh.next);
  }

  /**
   * Becomes another chain, which is used no more. Of the former segments those stay that end before it begins, for who still
   * reads from there, or with `keepsFormer: false` none.
   */
  become(other: Chain, { keepsFormer }: { readonly keepsFormer: boolean }): void {
    const beginning = Math.min(other.#open.from, ...other.#sealed.keys());
    for (const segment of this.#sealed.values())
      if (!keepsFormer || segment.next > beginning) this.#drop(segment);
    this.#drop(this.#open);
    for (const segment of other.#sealed.values()) {
      this.#sealed.set(segment.from, segment);
      this.#fresh.add(segment);
    }
    this.#open = other.#open;
  }

  /** Adds another way in: a sealed segment that ends at a boundary. Says whether it still does. */
  addPrefix(segment: TailSegment): boolean {
    if (this.hasBoundary(segment.from)) return true;
    if (!this.hasBoundary(segment.next)) return false;
    this.#sealed.set(segment.from, segment);
    this.#fresh.add(segment);
    this.#hasChanged = true;
    return true;
  }

  /** The boundary stays until it is released. */
  want(at: Offset): void {
    this.#wanted.add(at);
  }

  /** Nobody reads from before `at` any more. */
  release(at: Offset): void {
    for (const boundary of this.#wanted) if (boundary < at) this.#wanted.delete(boundary);
    const isBoundary = this.hasBoundary(at);
    for (const segment of [...this.#sealed.values()]) {
      if (segment.next <= at || (isBoundary && segment.from < at)) this.#drop(segment);
    }
  }

  /** Two sealed neighbours whose common boundary nobody wants, the oldest first. */
  mergeable(): readonly [TailSegment, TailSegment] | undefined {
    const oldestFirst = [...this.#sealed.values()].sort((a, b) => a.from - b.from);
    for (const second of oldestFirst) {
      const [first, another] = oldestFirst.filter((segment) => segment.next === second.from);
      if (first !== undefined && another === undefined && !this.#wanted.has(second.from))
        return [first, second];
    }
    return undefined;
  }

  /** Puts the merge of two neighbours in their place, unless one of them has gone or their boundary is wanted by now. */
  replace(first: TailSegment, second: TailSegment, merged: TailSegment): void {
    const areThere = this.#sealed.get(first.from) === first && this.#sealed.get(second.from) === second;
    if (!areThere || this.#wanted.has(second.from)) return;
    if ([...this.#sealed.values()].some((each) => each !== first && each.next === second.from)) return;
    this.#drop(first);
    this.#drop(second);
    this.#sealed.set(merged.from, merged);
    this.#fresh.add(merged);
  }

  /** For chains that are not written anywhere: what was dropped is held no longer. */
  forgetDropped(): void {
    this.#dropped = [];
  }

  #drop(segment: TailSegment): void {
    this.#sealed.delete(segment.from);
    this.#fresh.delete(segment);
    this.#dropped.push(segment);
    this.#hasChanged = true;
  }

  /** All segments with all that they hold count as changed, in an order in which a chain can be made of them. */
  renew(): void {
    const oldest = Math.min(this.#open.from, ...this.#sealed.keys()) as Offset;
    const path = this.pathFrom(oldest) ?? [];
    const others = [...this.#sealed.values()]
      .filter((each) => !path.includes(each))
      .sort((a, b) => b.from - a.from);
    this.#fresh.clear();
    for (const segment of [...path, ...others]) {
      segment.markDirty();
      if (segment !== this.#open) this.#fresh.add(segment);
    }
    this.#hasChanged = true;
  }

  get hasChanged(): boolean {
    return this.#hasChanged;
  }

  takeChanges(): ChainChanges | undefined {
    if (!this.#hasChanged) return undefined;
    this.#hasChanged = false;
    const dropped = this.#dropped;
    this.#dropped = [];
    const segments = [...new Set([...this.#fresh, this.#open])].map(changeOf);
    this.#fresh.clear();
    return { segments, dropped };
  }
}

/** The abutting segments from a boundary on, up to the open one; undefined if there is no boundary. */
export function pathFrom<S extends Segment>(
  at: Offset,
  sealed: ReadonlyMap<Offset, S>,
  open: S,
): readonly S[] | undefined {
  const path: S[] = [];
  while (at !== open.from) {
    const segment = sealed.get(at);
    if (segment === undefined) return undefined;
    path.push(segment);
    at = segment.next;
  }
  path.push(open);
  return path;
}

function changeOf(segment: TailSegment): SegmentChange {
  const { next, isSealed } = segment;
  return { segment, next, isSealed, rows: segment.takeDirty() };
}

function corrupt(view: View, partition: number, what: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_STORE_CORRUPT",
    `the checkpoint's chain of view "${view.name}", partition ${partition}, ${what}: remove the checkpoint, it is made again from the log`,
  );
}
