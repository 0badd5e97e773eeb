import type { GenerationReader, ValueRange } from "../infra/generations/generations.ts";
import { TailSegment } from "../infra/tail/segment.ts";
import type { Segment } from "../infra/tail/tail.ts";
import { offset } from "../views/cut.ts";
import type { Scalar } from "../views/expression.ts";
import { type OpenSession, sessionRows } from "../views/session-rows.ts";
import { slidingWindow } from "../views/sliding-rows.ts";
import { mergeSorted } from "../views/sorted-rows.ts";
import type { StateRow } from "../views/state.ts";
import type { Sessions, View } from "../views/view.ts";
import { paneOf } from "../views/window.ts";
import type { Plan } from "./plan.ts";
import { forEachEntry } from "./rollup.ts";
import { panesOf } from "./sliding.ts";

/** Stored rows in the index's order, of one layer. */
export interface StoredRows {
  group(dimensions: readonly Scalar[], from: number | undefined, to: number | undefined): Iterable<StateRow>;
  scan(
    prefix: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
    within?: ValueRange,
  ): Iterable<StateRow>;
}

/** The tail's rows that may have a part in the query's sessions, or in its overlapping windows, as they are at this moment. */
export class TailRows implements StoredRows {
  readonly #rows: readonly StateRow[];

  constructor(plan: Plan, segments: readonly Segment[]) {
    const { stored, from } = plan.query;
    const sliding = slidingWindow(stored);
    const rows = new TailSegment(stored, 0, offset(0));
    const range =
      sliding === undefined
        ? { from: from === undefined ? undefined : paneBefore(stored, from), to: undefined }
        : panesOf(sliding, plan.query);
    forEachEntry(plan, segments, (entry) => rows.mergeRow(entry), range);
    this.#rows = rows.sortedRows();
  }

  group(dimensions: readonly Scalar[], from: number | undefined, to: number | undefined): Iterable<StateRow> {
    return this.scan(dimensions, from, to);
  }

  *scan(
    prefix: readonly Scalar[],
    from = Number.NEGATIVE_INFINITY,
    to = Number.POSITIVE_INFINITY,
  ): Generator<StateRow, void, undefined> {
    for (const row of this.#rows) {
      if (row.pane >= from && row.pane < to && prefix.every((value, i) => row.dimensions[i] === value))
        yield row;
    }
  }
}

/** Sessions put together from what several layers have of them, in place of stored rows. */
export class SessionSource implements Pick<GenerationReader, "scan"> {
  readonly #view: View;
  readonly #sessions: Sessions;
  readonly #stores: readonly StoredRows[];

  constructor(view: View, sessions: Sessions, stores: readonly StoredRows[]) {
    this.#view = view;
    this.#sessions = sessions;
    this.#stores = stores;
  }

  /**
   * The sessions that begin in `[from, to)`. The pane before tells whether one that seems to begin in the first pane began
   * earlier; one that may go on beyond the last pane is read on in its group alone.
   */
  *scan(
    prefix: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
    within?: ValueRange,
  ): Generator<StateRow, void, undefined> {
    const first = from === undefined ? undefined : paneBefore(this.#view, from);
    const next = to === undefined ? undefined : paneAfter(this.#view, to);
    const goesOn = ({ piece }: OpenSession) =>
      next !== undefined &&
      piece.firstMs < (to ?? Number.POSITIVE_INFINITY) &&
      piece.lastMs + this.#sessions.gapMs >= next;
    const rows = sessionRows(
      this.#sessions,
      this.#merged((store) => store.scan(prefix, first, next, within)),
      (open) => (goesOn(open) ? this.#merged((store) => store.group(open.dimensions, next, undefined)) : []),
    );
    for (const row of rows) {
      if ((from === undefined || row.pane >= from) && (to === undefined || row.pane < to)) yield row;
    }
  }

  #merged(rowsOf: (store: StoredRows) => Iterable<StateRow>): Iterable<StateRow> {
    return mergeSorted(this.#view, this.#stores.map(rowsOf));
  }
}

function paneBefore({ window }: View, time: number): number {
  return window === undefined ? 0 : paneOf(window.window, time) - window.window.widthMs;
}

/** The first pane that holds nothing before `time`. */
function paneAfter({ window }: View, time: number): number {
  return window === undefined ? 0 : paneOf(window.window, time - 1) + window.window.widthMs;
}
