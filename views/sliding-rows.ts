import { isOfGroup } from "./session-rows.ts";
import type { Cell, StateRow } from "./state.ts";
import { copyState, mergeState, type View } from "./view.ts";
import type { SlidingWindow } from "./window.ts";

/** As long as a window, and from a multiple of that on: each window is the rest of one block and the begin of the next. */
interface Block {
  readonly from: number;
  readonly panes: readonly StateRow[];
}

/** The window of a view whose rows are windows that overlap, each made of several panes. */
export function slidingWindow({ window }: View): SlidingWindow | undefined {
  return window?.window.kind === "sliding" ? window.window : undefined;
}

/**
 * The windows of stored rows that begin in `[from, to)`: in the same order, each under its start. Rows come merged, one per
 * key and pane, in order of pane within a group, all that these windows have. A window that has none has no row.
 *
 * Takes about three merges a row, however many panes a window has (van Herk, Gil and Werman). Which states are merged, and
 * in which order, is told by the window's start and its panes alone: so sums of floats are the same in every answer.
 */
export function* slidingRows(
  view: View,
  { lengthMs, widthMs }: SlidingWindow,
  rows: Iterable<StateRow>,
  from = Number.NEGATIVE_INFINITY,
  to = Number.POSITIVE_INFINITY,
): Generator<StateRow, void, undefined> {
  let dimensions: StateRow["dimensions"] | undefined;
  let before: Block | undefined;
  for (const block of blocksOf(rows, lengthMs)) {
    const [first] = block.panes;
    if (first === undefined) continue;
    if (before !== undefined && dimensions !== undefined && !isOfGroup(first, dimensions)) {
      yield* windowsFrom(before, []);
      before = undefined;
    }
    if (before === undefined) dimensions = first.dimensions;
    const isNext = before !== undefined && before.from + lengthMs === block.from;
    if (before !== undefined) yield* windowsFrom(before, isNext ? block.panes : []);
    if (!isNext) yield* windowsFrom({ from: block.from - lengthMs, panes: [] }, block.panes);
    before = block;
  }
  if (before !== undefined) yield* windowsFrom(before, []);

  /** Those that begin in the block. */
  function* windowsFrom(
    { from: blockStart, panes }: Block,
    next: readonly StateRow[],
  ): Generator<StateRow, void, undefined> {
    const rests = restsOf(view, panes);
    let begin: Cell[] | undefined;
    let [first, following] = [0, 0];
    for (let start = blockStart; start < blockStart + lengthMs; start += widthMs) {
      while (first < panes.length && (panes[first]?.pane ?? 0) < start) first++;
      for (
        let row = next[following];
        row !== undefined && row.pane < start + lengthMs;
        row = next[following]
      ) {
        if (begin === undefined) begin = copyState(view, row.cells);
        else mergeState(view, begin, row.cells);
        following++;
      }
      const rest = rests[first];
      const cells = rest ?? begin;
      if (cells === undefined || start < from || start >= to) continue;
      const merged = copyState(view, cells);
      if (rest !== undefined && begin !== undefined) mergeState(view, merged, begin);
      yield { dimensions: dimensions ?? [], pane: start, cells: merged };
    }
  }
}

/** Rows of one key in one block at a time. */
function* blocksOf(rows: Iterable<StateRow>, lengthMs: number): Generator<Block, void, undefined> {
  let from = Number.NaN;
  let panes: StateRow[] = [];
  for (const row of rows) {
    const start = Math.floor(row.pane / lengthMs) * lengthMs;
    const [first] = panes;
    if (first !== undefined && (start !== from || !isOfGroup(row, first.dimensions))) {
      yield { from, panes };
      panes = [];
    }
    from = start;
    panes.push(row);
  }
  if (panes.length > 0) yield { from, panes };
}

/** For each pane its state merged with those of all after it. */
function restsOf(view: View, panes: readonly StateRow[]): readonly (readonly Cell[])[] {
  const rests: (readonly Cell[])[] = new Array(panes.length);
  let after: readonly Cell[] | undefined;
  for (let i = panes.length - 1; i >= 0; i--) {
    const rest = copyState(view, panes[i]?.cells ?? []);
    if (after !== undefined) mergeState(view, rest, after);
    rests[i] = rest;
    after = rest;
  }
  return rests;
}
