import { setImmediate as letOthersRun } from "node:timers/promises";
import type { GenerationReader } from "../infra/generations/generations.ts";
import { Cursor, compareCursors } from "../views/sorted-rows.ts";
import type { Cell, StateRow } from "../views/state.ts";
import { copyState, mergeState, type View } from "../views/view.ts";
import { BaseStates } from "./base-states.ts";
import { DriftTally } from "./drift.ts";
import { type Index, keysPerTurn, type Reconciled } from "./reconcile.ts";
import type { SealedRows } from "./served.ts";

export interface Increment {
  readonly view: View;
  readonly base: GenerationReader;
  /** The states of the records since the base's cut, in order of key. */
  readonly delta: AsyncIterable<readonly StateRow[]>;
  /** What the speed layer makes of the same records. */
  readonly tail: SealedRows;
  readonly index: Index;
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
    rows: base.manifest.rows + pass.newRows,
    panes: pass.panes,
    reconciliation:
      tail.kind === "sealed"
        ? pass.tally.reconciliation(base.manifest.id)
        : { kind: "not-compared", reason: tail.reason },
  };
}

class IncrementPass {
  readonly tally: DriftTally;
  readonly #parts: Increment;
  readonly #states: BaseStates;
  readonly #exact: readonly number[];
  readonly #tail: Cursor | undefined;
  #turn = 0;
  newRows = 0;
  panes: { first: number; last: number } | null;

  constructor(parts: Increment) {
    const { view, base, tail } = parts;
    this.tally = new DriftTally(view);
    this.#parts = parts;
    this.#states = new BaseStates(view, base);
    this.#exact = view.columns.map(() => 0);
    this.#tail = tail.kind === "sealed" ? new Cursor(tail.rows) : undefined;
    this.panes = base.manifest.panes === null ? null : { ...base.manifest.panes };
  }

  async take(rows: readonly StateRow[]): Promise<void> {
    const delta = new Cursor(rows);
    const tail = this.#tail;
    for (; delta.row !== undefined; delta.advance()) {
      const { row } = delta;
      if (tail !== undefined) {
        while (compareCursors(tail, delta) < 0) await this.#tailOnly(tail);
      }
      const former = this.#states.cells(row);
      const merged = { ...row, cells: this.#merged(former, row.cells) };
      await this.#add(merged, former === undefined);
      if (tail === undefined) continue;
      const match = compareCursors(tail, delta) === 0 ? tail.row : undefined;
      await this.#hold(row, merged.cells, this.#served(former, match?.cells));
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
    const former = this.#states.cells(row);
    await this.#hold(row, former, this.#served(former, row.cells));
    tail.advance();
  }

  async #add(row: StateRow, isNew: boolean): Promise<void> {
    if (isNew) {
      this.newRows++;
      const { pane } = row;
      const { first = pane, last = pane } = this.panes ?? {};
      this.panes = { first: Math.min(first, pane), last: Math.max(last, pane) };
    }
    this.#parts.onRow(row, isNew);
    await this.#parts.index.add(row);
    if (++this.#turn % keysPerTurn === 0) await letOthersRun();
  }

  async #hold(
    { dimensions, pane }: StateRow,
    batch: readonly Cell[] | undefined,
    served: readonly Cell[] | undefined,
  ): Promise<void> {
    const key = { dimensions, pane };
    const differs = this.tally.note(
      batch && { ...key, cells: batch, slack: this.#exact },
      served && { ...key, cells: served },
    );
    if (differs) await this.#parts.index.addDrift({ ...key, cells: served ?? null });
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
