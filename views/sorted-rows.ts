import { compareKeys, storageKey } from "./key.ts";
import type { Cell, StateRow } from "./state.ts";
import { copyState, mergeState, type View } from "./view.ts";

/** A source of rows in order of `storageKey`, then pane, with a look at the next one. */
export class Cursor<Row extends StateRow = StateRow> {
  readonly #rows: Iterator<Row>;
  row: Row | undefined;
  #key: { readonly dimensions: StateRow["dimensions"]; readonly bytes: Uint8Array } | undefined;

  constructor(rows: Iterable<Row>) {
    this.#rows = rows[Symbol.iterator]();
    this.advance();
  }

  advance(): void {
    const { done, value } = this.#rows.next();
    this.row = done === true ? undefined : value;
  }

  /** Of the row's group; made when it is asked for. */
  keyOf({ dimensions }: StateRow): Uint8Array {
    if (this.#key?.dimensions !== dimensions) this.#key = { dimensions, bytes: storageKey(dimensions) };
    return this.#key.bytes;
  }

  close(): void {
    this.#rows.return?.();
  }
}

/** Below 0 where `a` has the lesser key and pane; a cursor at its end is greater than all. */
export function compareCursors(a: Cursor, b: Cursor): number {
  if (a.row === undefined) return b.row === undefined ? 0 : 1;
  if (b.row === undefined) return -1;
  return (
    (sameDimensions(a.row, b.row) ? 0 : compareKeys(a.keyOf(a.row), b.keyOf(b.row))) ||
    a.row.pane - b.row.pane
  );
}

function sameDimensions({ dimensions: a }: StateRow, { dimensions: b }: StateRow): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Walks sorted sources side by side: for each key that any of them has, in order, one row per source or undefined.
 * Reads each source once, holds one row of each.
 */
export function* joinSorted(
  sources: readonly Iterable<StateRow>[],
): Generator<readonly (StateRow | undefined)[], void, undefined> {
  const cursors = sources.map((rows) => new Cursor(rows));
  try {
    for (;;) {
      const first = cursors.reduce<Cursor | undefined>(
        (least, cursor) => (least === undefined || compareCursors(cursor, least) < 0 ? cursor : least),
        undefined,
      );
      if (first?.row === undefined) return;
      const here = cursors.filter((cursor) => compareCursors(cursor, first) === 0);
      yield cursors.map((cursor) => (here.includes(cursor) ? cursor.row : undefined));
      for (const cursor of here) cursor.advance();
    }
  } finally {
    for (const cursor of cursors) cursor.close();
  }
}

/** The merge of sorted sources, one row per key, in order. */
export function* mergeSorted(
  view: View,
  sources: readonly Iterable<StateRow>[],
): Generator<StateRow, void, undefined> {
  for (const rows of joinSorted(sources)) {
    let merged: { dimensions: StateRow["dimensions"]; pane: number; cells: Cell[] } | undefined;
    for (const row of rows) {
      if (row === undefined) continue;
      if (merged === undefined)
        merged = { dimensions: row.dimensions, pane: row.pane, cells: copyState(view, row.cells) };
      else mergeState(view, merged.cells, row.cells);
    }
    if (merged !== undefined) yield merged;
  }
}
