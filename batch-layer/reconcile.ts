import { setImmediate as letOthersRun } from "node:timers/promises";
import type { GenerationDraft, Manifest, Reconciliation } from "../infra/generations/generations.ts";
import { Cursor, compareCursors } from "../views/sorted-rows.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import { DriftTally } from "./drift.ts";
import type { BatchRow } from "./state-rows.ts";

/** What was being served at the cut of a new generation. */
export type Served =
  | {
      readonly kind: "served";
      /** The generation that served; null: the tail alone did. */
      readonly against: string | null;
      /** Previous generation ⊕ sealed tail, in order of `storageKey`, then pane. */
      readonly rows: Iterable<StateRow>;
    }
  | { readonly kind: "unknown"; readonly reason: string };

export interface Reconciled extends Pick<Manifest, "rows" | "panes"> {
  readonly reconciliation: Reconciliation;
}

export type Index = Pick<GenerationDraft, "add" | "addDrift">;

/** Keys after which other work of this process has its turn. */
export const keysPerTurn = 2_048;

/**
 * One pass over the batch answer, in order: adds every row to the index, and holds it against what was being served,
 * key by key. `onRows` is told how many rows were added so far; what it throws ends the pass.
 */
export async function reconcile(
  view: View,
  batch: AsyncIterable<readonly BatchRow[]>,
  served: Served,
  index: Index,
  onRows: (rows: number) => void,
): Promise<Reconciled> {
  const pass = new Pass(view, served, index);
  try {
    for await (const rows of batch) {
      await pass.take(rows);
      onRows(pass.rows);
    }
    await pass.finish();
  } finally {
    pass.close();
  }
  const reconciliation: Reconciliation =
    served.kind === "served"
      ? pass.tally.reconciliation(served.against)
      : { kind: "not-compared", reason: served.reason };
  return { rows: pass.rows, panes: pass.panes, reconciliation };
}

class Pass {
  readonly tally: DriftTally;
  readonly #served: Cursor | undefined;
  readonly #index: Index;
  #turn = 0;
  rows = 0;
  panes: { first: number; last: number } | null = null;

  constructor(view: View, served: Served, index: Index) {
    this.tally = new DriftTally(view);
    this.#served = served.kind === "served" ? new Cursor(served.rows) : undefined;
    this.#index = index;
  }

  async take(rows: readonly BatchRow[]): Promise<void> {
    const batch = new Cursor(rows);
    const served = this.#served;
    for (; batch.row !== undefined; batch.advance()) {
      const { row } = batch;
      this.#note(row.pane);
      const added = this.#index.add(row);
      // Most calls give no promise; awaiting each all the same would cost more than the comparison.
      if (added !== undefined) await added;
      if (++this.#turn % keysPerTurn === 0) await letOthersRun();
      if (served === undefined) continue;
      while (compareCursors(served, batch) < 0) await this.#servedOnly(served);
      const match = compareCursors(served, batch) === 0 ? served.row : undefined;
      if (this.tally.note(row, match)) await this.#addDrift(row, match);
      if (match !== undefined) served.advance();
    }
  }

  /** All batch rows are through: whatever is left was only being served. */
  async finish(): Promise<void> {
    while (this.#served?.row !== undefined) await this.#servedOnly(this.#served);
  }

  close(): void {
    this.#served?.close();
  }

  #note(pane: number): void {
    this.rows++;
    if (this.panes === null) this.panes = { first: pane, last: pane };
    else if (pane < this.panes.first) this.panes.first = pane;
    else if (pane > this.panes.last) this.panes.last = pane;
  }

  async #servedOnly(served: Cursor): Promise<void> {
    const { row } = served;
    if (row === undefined) return;
    this.tally.note(undefined, row);
    await this.#addDrift(row, row);
    if (++this.#turn % keysPerTurn === 0) await letOthersRun();
    served.advance();
  }

  async #addDrift({ dimensions, pane }: StateRow, served: StateRow | undefined): Promise<void> {
    await this.#index.addDrift({ dimensions, pane, cells: served?.cells ?? null });
  }
}
