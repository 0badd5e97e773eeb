import type { DriftExample, Reconciliation } from "../infra/generations/generations.ts";
import { shownCells } from "../views/session-rows.ts";
import { type Cell, encodeCell, isSameCell, type StateRow } from "../views/state.ts";
import { noiseOf, shownView, type View } from "../views/view.ts";
import type { BatchRow } from "./state-rows.ts";

/** How many differing keys a report shows; the index of the generation has the others. */
const mostExamples = 10;

/** Counts what differs between the batch answer and what was being served, a key at a time. */
export class DriftTally {
  readonly #view: View;
  readonly #examples: DriftExample[] = [];
  #keys = 0;
  #differing = 0;
  #largestDrift = 0;

  constructor(view: View) {
    this.#view = view;
  }

  /** Notes one key, which at least one side has, and says whether the sides differ. */
  note(batch: BatchRow | undefined, served: StateRow | undefined): boolean {
    this.#keys++;
    if (batch !== undefined && served !== undefined && areSame(this.#view, batch, served)) return false;
    this.#differing++;
    this.#largestDrift = Math.max(this.#largestDrift, largestDifference(this.#view, batch, served));
    const row = batch ?? served;
    if (row !== undefined && this.#examples.length < mostExamples) {
      this.#examples.push({
        dimensions: row.dimensions,
        pane: row.pane,
        batch: presented(this.#view, batch),
        served: presented(this.#view, served),
      });
    }
    return true;
  }

  reconciliation(against: string | null): Reconciliation {
    return {
      kind: "compared",
      against,
      keys: this.#keys,
      differing: this.#differing,
      largestDrift: this.#largestDrift,
      examples: this.#examples,
    };
  }
}

/** Equal, but for float sums that lie apart by no more than their slack. Sums that overflow have no value to compare. */
function areSame(view: View, batch: BatchRow, served: StateRow): boolean {
  return batch.cells.every((cell, i) => {
    const other = served.cells[i] ?? null;
    if (isSameCell(cell, other)) return true;
    if (typeof cell !== "number" || typeof other !== "number") return false;
    const slack = Math.max(batch.slack[i] ?? 0, noiseOf(view, batch.cells, i));
    return slack === Number.POSITIVE_INFINITY || Math.abs(cell - other) <= slack;
  });
}

function largestDifference(view: View, a: StateRow | undefined, b: StateRow | undefined): number {
  const [mine, theirs] = [a, b].map((row) => row && shownCells(view, row.cells));
  return shownView(view).measures.reduce((largest, { aggregate, firstCell }) => {
    const value = (cells: readonly Cell[] | undefined) => {
      const presented = cells === undefined ? null : aggregate.present(cells, firstCell);
      return typeof presented === "number" || typeof presented === "bigint" ? presented : 0;
    };
    return Math.max(largest, distance(value(mine), value(theirs)));
  }, 0);
}

/** |a − b|, rounded once; finite, since reports are JSON. */
function distance(a: number | bigint, b: number | bigint): number {
  const difference =
    Number.isInteger(Number(a)) && Number.isInteger(Number(b))
      ? Math.abs(Number(BigInt(a) - BigInt(b)))
      : Math.abs(Number(a) - Number(b));
  return Number.isFinite(difference) ? difference : Number.MAX_VALUE;
}

function presented(view: View, row: StateRow | undefined): DriftExample["batch"] {
  if (row === undefined) return null;
  const cells = shownCells(view, row.cells);
  return Object.fromEntries(
    shownView(view).measures.map(({ name, aggregate, firstCell }) => {
      const value = aggregate.present(cells, firstCell);
      const isList = typeof value === "object" && value !== null;
      return [name, isList ? JSON.stringify(value) : encodeCell(value)];
    }),
  );
}
