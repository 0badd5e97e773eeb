import type { GenerationReader, ValueRange } from "../infra/generations/generations.ts";
import type { Scalar } from "../views/expression.ts";
import { slidingRows } from "../views/sliding-rows.ts";
import { mergeSorted } from "../views/sorted-rows.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import type { SlidingWindow } from "../views/window.ts";
import type { Range } from "./range.ts";
import type { StoredRows } from "./sessions.ts";

/** The panes that the windows which begin in the range are made of. */
export function panesOf({ lengthMs, widthMs }: SlidingWindow, { from, to }: Range): Range {
  return { from, to: to === undefined ? undefined : to - widthMs + lengthMs };
}

/** Overlapping windows put together from what several layers have of their panes, in place of stored rows. */
export class SlidingSource implements Pick<GenerationReader, "scan"> {
  readonly #view: View;
  readonly #window: SlidingWindow;
  readonly #stores: readonly StoredRows[];

  constructor(view: View, window: SlidingWindow, stores: readonly StoredRows[]) {
    this.#view = view;
    this.#window = window;
    this.#stores = stores;
  }

  /** The windows that begin in `[from, to)`. */
  scan(
    prefix: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
    within?: ValueRange,
  ): Iterable<StateRow> {
    const panes = panesOf(this.#window, { from, to });
    const rows = mergeSorted(
      this.#view,
      this.#stores.map((store) => store.scan(prefix, panes.from, panes.to, within)),
    );
    return slidingRows(this.#view, this.#window, rows, from, to);
  }
}
