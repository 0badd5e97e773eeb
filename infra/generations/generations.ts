import type { Cut } from "../../views/cut.ts";
import type { Scalar } from "../../views/expression.ts";
import type { Cell } from "../../views/state.ts";
import type { Fingerprint, View } from "../../views/view.ts";

/** One row of a view's states: what DuckDB, the index and the tail all hold per key. */
export interface StateRow {
  readonly dimensions: readonly Scalar[];
  /** First millisecond of the pane; 0 in a view without a window. */
  readonly pane: number;
  /** Flat over `view.columns`. */
  readonly cells: readonly Cell[];
}

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
  /** Milliseconds that the compute step took. */
  readonly computeMs: number;
  readonly reconciliation: Reconciliation;
}

/** An opened generation. Reads are from an LMDB index; `path` names the Parquet file of states for scans. */
export interface GenerationReader extends AsyncDisposable {
  readonly manifest: Manifest;
  readonly statesPath: string;
  /** Rows of one group with `from ≤ pane < to`, in order of pane. Undefined bounds are open. */
  group(dimensions: readonly Scalar[], from: number | undefined, to: number | undefined): readonly StateRow[];
  /**
   * All rows in order of key, then pane, of the groups whose first dimensions are `prefix`, with `from ≤ pane < to`.
   * Lazy: the caller may pause between rows.
   */
  scan(prefix: readonly Scalar[], from: number | undefined, to: number | undefined): Iterable<StateRow>;
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
