import type { GenerationReader, ValueRange } from "../infra/generations/generations.ts";
import { type Existence, exists } from "../views/existence.ts";
import type { Scalar } from "../views/expression.ts";
import { mergeSorted } from "../views/sorted-rows.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import type { StoredRows } from "./sessions.ts";

/** The rows that exist by what several layers have of them: only all of them together know whether one was deleted. */
export class ExistingSource implements Pick<GenerationReader, "scan"> {
  readonly #view: View;
  readonly #existence: Existence;
  readonly #stores: readonly StoredRows[];

  constructor(view: View, existence: Existence, stores: readonly StoredRows[]) {
    this.#view = view;
    this.#existence = existence;
    this.#stores = stores;
  }

  *scan(
    prefix: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
    within?: ValueRange,
  ): Generator<StateRow, void, undefined> {
    const parts = this.#stores.map((store) => store.scan(prefix, from, to, within));
    const [only, second] = parts;
    const rows = only !== undefined && second === undefined ? only : mergeSorted(this.#view, parts);
    for (const row of rows) if (exists(this.#existence, row.cells)) yield row;
  }
}
