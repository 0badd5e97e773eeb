import { setImmediate as letOthersRun } from "node:timers/promises";
import type { GenerationDraft, Manifest } from "../infra/generations/generations.ts";
import { Cursor, compareCursors } from "../views/sorted-rows.ts";
import type { Cell, StateRow } from "../views/state.ts";
import { copyState, mergeState, type View } from "../views/view.ts";
import { DriftTally } from "./drift.ts";
import { type Index, keysPerTurn, type Reconciled } from "./reconcile.ts";
import type { SealedRows } from "./served.ts";

export interface Increment {
  readonly view: View;
  readonly base: Manifest;
  /** The states of the records since the base's cut, in order of key. */
  readonly delta: AsyncIterable<readonly StateRow[]>;
  /** What the speed layer makes of the same records. */
  readonly tail: SealedRows;
  readonly index: Index & Pick<GenerationDraft, "baseCells">;
  /** Told of every row that is not the base's, and whether the base has none of its key. */
  readonly onRow: (row: StateRow, isNew: boolean) => void;
  /** After each chunk; what it throws ends the pass. */
  readonly onChunk: () => void;
}

/**
 * One pass over what has come since the base's cut, in order: merges it with the base's states, adds these to the index, and
 * holds them against what was being served, base ⊕ sealed tail. Keys of the tail that nothing came for by the batch answer are
 * held against the base's own states; all other rows are the base's on both sides.
 */
export async function reconcileIncrement(increment: Increment): Promise<Reconciled> {
  const pass = new IncrementPass(increment);
  const { delta, tail, base, onChunk } = increment;
  try {
    for await (const rows of delta) {
      await pass.take(rows);
      onChunk();
    }
    await pass.finish();
  } finally {
    pass.close();
  }
  return {
    rows: base.rows + pass.newRows,
    panes: pass.panes,
    reconciliation:
      tail.kind === "sealed"
        ? pass.tally.reconciliation(base.id)
        : { kind: "not-compared", reason: tail.reason },
  };
}

class IncrementPass {
  readonly tally: DriftTally;
  readonly #parts: Increment;
  readonly #exact: readonly number[];
  readonly #tail: Cursor | undefined;
  #turn = 0;
  newRows = 0;
  panes: { first: number; last: number } | null;

  constructor(parts: Increment) {
    const { view, base, tail } = parts;
    this.tally = new DriftTally(view);
    this.#parts = parts;
    this.#exact = view.columns.map(() => 0);
    this.#tail = tail.kind === "sealed" ? new Cursor(tail.rows) : undefined;
    this.panes = base.panes === null ? null : { ...base.panes };
  }

  async take(rows: readonly StateRow[]): Promise<void> {
    const { index, onRow } = this.#parts;
    const delta = new Cursor(rows);
    const tail = this.#tail;
    for (; delta.row !== undefined; delta.advance()) {
      const { row } = delta;
      if (tail !== undefined) {
        while (compareCursors(tail, delta) < 0) await this.#tailOnly(tail);
      }
      const { dimensions, pane } = row;
      const former = index.baseCells(dimensions, pane);
      const merged =
        former === undefined ? row : { dimensions, pane, cells: this.#merged(former, row.cells) };
      if (former === undefined) this.#noteNew(pane);
      onRow(merged, former === undefined);
      // Most calls give no promise; awaiting each all the same would cost more than the comparison.
      const added = index.add(merged);
      if (added !== undefined) await added;
      if (++this.#turn % keysPerTurn === 0) await letOthersRun();
      if (tail === undefined) continue;
      const match = compareCursors(tail, delta) === 0 ? tail.row : undefined;
      const noted = this.#hold(row, merged.cells, this.#served(former, match?.cells));
      if (noted !== undefined) await noted;
      if (match !== undefined) tail.advance();
    }
  }

  /** All records since the cut are through: whatever is left only the tail has. */
  async finish(): Promise<void> {
    while (this.#tail?.row !== undefined) await this.#tailOnly(this.#tail);
  }

  close(): void {
    this.#tail?.close();
  }

  async #tailOnly(tail: Cursor): Promise<void> {
    const { row } = tail;
    if (row === undefined) return;
    const former = this.#parts.index.baseCells(row.dimensions, row.pane);
    await this.#hold(row, former, this.#served(former, row.cells));
    if (++this.#turn % keysPerTurn === 0) await letOthersRun();
    tail.advance();
  }

  #noteNew(pane: number): void {
    this.newRows++;
    if (this.panes === null) this.panes = { first: pane, last: pane };
    else if (pane < this.panes.first) this.panes.first = pane;
    else if (pane > this.panes.last) this.panes.last = pane;
  }

  #hold(
    { dimensions, pane }: StateRow,
    batch: readonly Cell[] | undefined,
    served: readonly Cell[] | undefined,
  ): Promise<void> | void {
    const differs = this.tally.note(
      batch && { dimensions, pane, cells: batch, slack: this.#exact },
      served && { dimensions, pane, cells: served },
    );
    if (differs) return this.#parts.index.addDrift({ dimensions, pane, cells: served ?? null });
  }

  /** What was being served; undefined: nothing was. */
  #served(base: readonly Cell[] | undefined, tail: readonly Cell[] | undefined): readonly Cell[] | undefined {
    return tail === undefined ? base : this.#merged(base, tail);
  }

  #merged(base: readonly Cell[] | undefined, more: readonly Cell[]): readonly Cell[] {
    if (base === undefined) return more;
    const { view } = this.#parts;
    const merged = copyState(view, base);
    mergeState(view, merged, more);
    return merged;
  }
}
