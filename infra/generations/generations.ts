import type { Cut } from "../../views/cut.ts";
import type { Scalar } from "../../views/expression.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { Fingerprint, View } from "../../views/view.ts";
import type { StatesPart } from "./state-parts.ts";

/** The outcome of holding a generation against `previous ⊕ sealed tail` at the same cut, key by key. */
export type Reconciliation =
  | {
      readonly kind: "compared";
      /** The generation that was being served; null: the tail alone was. */
      readonly against: string | null;
      readonly keys: number;
      /** Keys whose states differ, or that only one side has. */
      readonly differing: number;
      /** Largest |batch − served| over the measures' presented numbers. */
      readonly largestDrift: number;
      /** The first differing keys. All of them (up to a bound) are in the index under `drift`. */
      readonly examples: readonly DriftExample[];
    }
  | { readonly kind: "not-compared"; readonly reason: string };

export interface DriftExample {
  readonly dimensions: readonly Scalar[];
  readonly pane: number;
  /** Presented values by measure; null where that side has no such key. */
  readonly batch: Readonly<Record<string, unknown>> | null;
  readonly served: Readonly<Record<string, unknown>> | null;
}

export interface Manifest {
  readonly id: string;
  readonly view: string;
  readonly fingerprint: Fingerprint;
  readonly cut: Cut;
  /** The batch run that made it. */
  readonly run: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly rows: number;
  /** Records of [0, cut), duplicates included. */
  readonly records: number;
  /** First and last pane that has a row; null where there are no rows. */
  readonly panes: { readonly first: number; readonly last: number } | null;
  /** The files of states; absent: the one file `states.parquet`. */
  readonly parts?: readonly StatesPart[];
  /** Set where it was made from another generation and the records since its cut; absent: from all records. */
  readonly base?: Base;
  /** Why it was computed from all records; absent where it was not, and in generations of former versions. */
  readonly inFull?: string;
  /**
   * It has never served, and never does: computed by a run as of the past, or folded by a replay, which is asked for by its id
   * alone.
   */
  readonly past?: "run" | "replay";
  /** Milliseconds that the compute step took. */
  readonly computeMs: number;
  readonly reconciliation: Reconciliation;
}

export interface Base {
  /** The generation that it goes on from. */
  readonly id: string;
  /** When the last one that was computed from all records was made, by which both go: RFC 3339. */
  readonly fullAt: string;
}

/** Values of a dimension: `[from, to)`, in the order of keys; undefined is open. */
export interface ValueRange {
  readonly from: Scalar | undefined;
  readonly to: Scalar | undefined;
}

/** An opened generation. Reads are from an LMDB index. */
export interface GenerationReader extends AsyncDisposable {
  readonly manifest: Manifest;
  /** The Parquet files of states, for scans; each in order of key within itself. */
  readonly statesPaths: readonly string[];
  /** Rows of one group with `from ≤ pane < to`, in order of pane. Undefined bounds are open. */
  group(dimensions: readonly Scalar[], from: number | undefined, to: number | undefined): readonly StateRow[];
  /**
   * All rows in order of key, then pane, of the groups whose first dimensions are `prefix`, with `from ≤ pane < to`.
   * Lazy: the caller may pause between rows. Of groups whose dimension after these lies outside of `within` rows may be
   * left out; to take all others is the caller's.
   */
  scan(
    prefix: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
    within?: ValueRange,
  ): Iterable<StateRow>;
  /** What was being served where it differed from this generation, by key; cells null: no such key was served. */
  drift(): Iterable<Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null }>;
}

/** Published batch views: one immutable folder each, and per view one pointer to the generation that serves. */
export interface Generations {
  /** Newest first; whole ones only. */
  list(view: string): Promise<readonly Manifest[]>;
  /** The generation the pointer names, provided its fingerprint is the view's. */
  current(view: View): Promise<Manifest | undefined>;
  open(view: View, id: string): Promise<GenerationReader>;
  /** Moves the pointer, durably and in one step. TIDEMARK_GENERATION_UNKNOWN if there is no such whole generation. */
  point(view: string, id: string): Promise<void>;
  /** Calls back, also once at the start, whenever a view's pointer names another generation. Polls; works across processes. */
  watch(views: readonly View[], changed: (view: View, current: Manifest | undefined) => void): Disposable;
}

/** A generation in the making, in a folder aside that no reader sees. */
export interface GenerationDraft {
  /** Where a file of states of this name is written. */
  pathOf(file: string): string;
  /** Where a part of the base stands. */
  basePathOf(part: StatesPart): string;
  /** Takes over a part of the base as it stands. TIDEMARK_STORE_CORRUPT if it is not there. */
  keep(part: StatesPart): Promise<void>;
  /**
   * Adds a row to the index, or with a base puts it in place of that of its key; rows come in order of `storageKey`, then
   * pane. Await it: it bounds the memory in flight.
   */
  add(row: StateRow): Promise<void> | void;
  /**
   * What the base has under the key, undefined if nothing; the cells are its own. Keys are asked for in the order of rows, and
   * before the row that takes the place. Throws TIDEMARK_STORE_CORRUPT.
   */
  baseCells(dimensions: readonly Scalar[], pane: number): readonly Cell[] | undefined;
  /** Notes what was being served under this key where that differs; cells null: nothing was. Kept up to 100,000. */
  addDrift(row: Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null }): Promise<void> | void;
  /** Writes what is held of the index, which is else done when it is published. */
  flush(): void;
  /** Makes it durable and visible in one step, under `manifest.id`. The pointer is not moved. */
  publish(manifest: Manifest): Promise<void>;
  /** Removes what was written. Harmless after publish. */
  discard(): Promise<void>;
}

/** What only the batch layer does with the store. */
export interface GenerationsWriter extends Generations {
  /** With a base the index begins as that generation's: TIDEMARK_STORE_CORRUPT if that can't be read. */
  draft(view: View, id: string, base?: Manifest): Promise<GenerationDraft>;
  /** Deletes all but the newest `keep` generations; never the one that the pointer names. */
  prune(view: string, keep: number): Promise<void>;
  /**
   * Deletes of every view, declared or not, all but the newest `keep` generations, and those made before `sinceMs`
   * (since the epoch).
   */
  pruneAll(keep: number, sinceMs: number): Promise<void>;
  /**
   * Deletes every generation, also of views that no app declares any more, but the one that is given of each view by
   * its name, and all of the views that are spared.
   */
  keepOnly(ids: ReadonlyMap<string, string>, spared: ReadonlySet<string>): Promise<void>;
}
