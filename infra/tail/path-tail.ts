import type { Cut, Offset } from "../../views/cut.ts";
import { offsetIn, viewPartition } from "../../views/mapping.ts";
import type { View } from "../../views/view.ts";
import type { Segment, Tail } from "./tail.ts";

/** The segments of one view in one of its partitions, as queries read them. */
export interface Path {
  readonly partition: number;
  /** The next record that is not folded. */
  readonly next: Offset;
  /** Entries in all segments. */
  readonly size: number;
  /** The segments from a boundary to the position; undefined if there is no boundary. */
  pathFrom(at: Offset): readonly Segment[] | undefined;
}

/** A tail of paths. Whoever changes one says so. */
export abstract class PathTail<P extends Path> implements Tail {
  readonly #chains: ReadonlyMap<View, readonly P[]>;
  readonly #all: readonly P[];
  readonly #listeners = new Set<() => void>();
  /** Answers of `segments` by view, while no boundary changes. */
  readonly #paths = new Map<View, { readonly cut: Cut; readonly segments: readonly Segment[] | undefined }>();
  #version = 0;

  /** By view, the chains of those of its partitions that are here: for `segments` all must be. */
  constructor(chains: ReadonlyMap<View, readonly P[]>) {
    this.#chains = chains;
    this.#all = [...chains.values()].flat();
  }

  get version(): number {
    return this.#version;
  }

  get chains(): readonly P[] {
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

  abstract release(view: View, cut: Cut): void;

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
  }

  /** Boundaries have changed under a reader that knows. */
  protected forgetPaths(): void {
    this.#paths.clear();
    this.#version++;
  }

  chainsOf(view: View): readonly P[] {
    return this.#chains.get(view) ?? [];
  }
}
