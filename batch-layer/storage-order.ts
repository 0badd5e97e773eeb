import { compareKeys, storageKey, wholeKeyBytes } from "../views/key.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";

/** UTF-8 takes up to 3 bytes per UTF-16 unit; what else a key holds is at most 9 bytes per dimension. */
const bytesPerUnit = 3;
const bytesPerDimension = 9;

/**
 * Brings rows from DuckDB's order of keys into that of `storageKey`. The two differ only among over-long keys with the
 * same first `wholeKeyBytes` bytes, which follow each other in both: each such run is held back and sorted by itself.
 */
export class StorageOrder<Row extends StateRow> {
  readonly #mostUnits: number;
  #run: { readonly key: Uint8Array; readonly row: Row }[] = [];

  constructor(view: View) {
    this.#mostUnits = (wholeKeyBytes - view.dimensions.length * bytesPerDimension) / bytesPerUnit;
  }

  /** Takes the next rows and gives those whose place is known: these and what was held back, but for a run at the end. */
  next(rows: readonly Row[]): readonly Row[] {
    if (this.#run.length === 0 && !rows.some((row) => this.#isLong(row))) return rows;
    const placed: Row[] = [];
    for (const row of rows) {
      const key = this.#isLong(row) ? storageKey(row.dimensions) : undefined;
      const isOver = key !== undefined && key.length > wholeKeyBytes;
      if (!isOver || !this.#runGoesOn(key)) for (const held of this.rest()) placed.push(held);
      if (isOver) this.#run.push({ key, row });
      else placed.push(row);
    }
    return placed;
  }

  /** The run held back, at the end of all rows. */
  rest(): readonly Row[] {
    const run = this.#run;
    this.#run = [];
    run.sort((a, b) => compareKeys(a.key, b.key) || a.row.pane - b.row.pane);
    return run.map(({ row }) => row);
  }

  #isLong({ dimensions }: Row): boolean {
    let units = 0;
    for (const value of dimensions) if (typeof value === "string") units += value.length;
    return units > this.#mostUnits;
  }

  #runGoesOn(key: Uint8Array): boolean {
    const [first] = this.#run;
    return (
      first === undefined ||
      compareKeys(first.key.subarray(0, wholeKeyBytes), key.subarray(0, wholeKeyBytes)) === 0
    );
  }
}
