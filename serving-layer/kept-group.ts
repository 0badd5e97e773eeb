import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Scalar } from "../views/expression.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";

/** More of them are read again each time. */
const mostRows = 64;

type Groups = Pick<GenerationReader, "group">;

/** What a generation has of the one group that a query asks for: it never changes, while the tail does with every event. */
export class KeptGroup implements Groups {
  readonly #isKept: boolean;
  #reader: Groups | undefined;
  #ranges: { from: number | undefined; to: number | undefined; rows: readonly StateRow[] }[] = [];

  /** Sketches are too large to be kept. */
  constructor(view: View) {
    this.#isKept = view.sketchColumns.length === 0;
  }

  /** The group as it is in this generation. */
  of(reader: Groups): Groups {
    if (!this.#isKept) return reader;
    if (reader !== this.#reader) {
      this.#reader = reader;
      this.#ranges = [];
    }
    return this;
  }

  group(
    dimensions: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
  ): readonly StateRow[] {
    for (const range of this.#ranges) if (range.from === from && range.to === to) return range.rows;
    const rows = this.#reader?.group(dimensions, from, to) ?? [];
    if (rows.length <= mostRows) this.#ranges.push({ from, to, rows });
    return rows;
  }
}
