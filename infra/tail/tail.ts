import type { Cut, Offset } from "../../views/cut.ts";
import type { Scalar } from "../../views/expression.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import type { GroupKey } from "./group-key.ts";

/** One group's state in one pane of a segment. It changes in place while the segment is open. */
export interface Entry {
  readonly dimensions: readonly Scalar[];
  readonly pane: number;
  readonly cells: readonly Cell[];
}

/** States of the records `[from, next)` of one partition for one view. */
export interface Segment {
  readonly view: View;
  /** Its place in `view.partitions`, which names topic and partition of the log. */
  readonly partition: number;
  readonly from: Offset;
  /** Rises while the segment is open. */
  readonly next: Offset;
  /** Those that have entries. */
  readonly panes: Pick<ReadonlyMap<number, unknown>, "size" | "has" | "keys">;
  /** How many entries. */
  readonly size: number;
  find(pane: number, group: GroupKey): Entry | undefined;
  entriesIn(pane: number): Iterable<Entry>;
  entries(): Iterable<Entry>;
  /**
   * The entries that are new or have changed since the last call, perhaps some more; the first call begins the watch, and what
   * it gives means nothing. From then on an entry is always the same object. For one reader in a process.
   */
  takeChanged(): readonly Entry[];
}

/**
 * The speed layer's states, as the serving layer reads them. All reads are of one moment as long as the reader does not
 * give up the thread between `segments` and its last look at an entry.
 */
export interface Tail {
  /**
   * The segments that cover exactly `[cut, position)` of the view, in order within each partition; undefined while no
   * boundary lies at the cut (the speed layer is then aligning itself to it, or has not heard of it). None of a view of which no
   * tail is kept.
   */
  segments(view: View, cut: Cut): readonly Segment[] | undefined;
  /** By partition of the view's topics, the next record that is not folded; empty where no tail is kept. */
  position(view: View): Cut;
  /** Counts up with every change of any state or position: what was answered at the same count still holds. */
  readonly version: number;
  /** The reader needs nothing before the cut any more: segments that end there may be dropped. */
  release(view: View, cut: Cut): void;
  /** Calls back after any position has moved or segments have changed. */
  onAdvance(listener: () => void): Disposable;
}

/** How the batch layer speaks to the speed layer. */
export interface SealRequest {
  /**
   * Closes the open segment of every view and partition at the present position and makes the sealed states readable in
   * the checkpoint. Gives the position: the new cut. It says nothing of a topic of which no view is computed by both layers.
   * Rejects or gives undefined if the speed layer can't, or the signal aborts.
   */
  seal(signal?: AbortSignal): Promise<Cut | undefined>;
}

/** The sealed states in the checkpoint, as the batch layer reads them from its own process. */
export interface SealedTail {
  /**
   * One merged row per key, in order of `storageKey`, then pane, of the sealed segments that cover exactly `[from, to)`
   * in every partition; undefined if there are none that do.
   */
  rows(view: View, from: Cut, to: Cut): Iterable<StateRow> | undefined;
}
