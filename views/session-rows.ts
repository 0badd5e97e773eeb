import type { Scalar } from "./expression.ts";
import { copyPiece, mergePieces, type Piece, type SessionPieces } from "./session-pieces.ts";
import type { Cell, StateRow } from "./state.ts";
import { mergeState, type Sessions, type View, zeroState } from "./view.ts";

/** What a stored state shows by itself: of sessions, those of its pane merged, cut off where the pane is. */
export function shownCells(view: View, cells: readonly Cell[]): readonly Cell[] {
  const { sessions } = view;
  if (sessions === undefined) return cells;
  const merged = zeroState(sessions.shown);
  for (const piece of (cells[0] as SessionPieces | null)?.pieces ?? []) {
    mergeState(sessions.shown, merged, sessions.stateOf(piece));
  }
  return merged;
}

/** A session that may go on in the rows to come. */
export interface OpenSession {
  readonly dimensions: readonly Scalar[];
  readonly piece: Readonly<Piece>;
}

/**
 * The sessions of stored rows, as rows of `sessions.shown`: in the same order, each under its start.
 * Rows come merged, one per key and pane, in order of pane within a group: pieces of neighbouring panes
 * within the gap of each other are one session.
 *
 * `more` is asked at the end of each group for rows that follow those that were given, should its last session need them.
 */
export function* sessionRows(
  sessions: Sessions,
  rows: Iterable<StateRow>,
  more: (open: OpenSession) => Iterable<StateRow> = () => [],
): Generator<StateRow, void, undefined> {
  let open: { readonly dimensions: readonly Scalar[]; readonly piece: Piece } | undefined;
  const shown = ({ dimensions, piece }: OpenSession): StateRow => ({
    dimensions,
    pane: piece.firstMs,
    cells: sessions.stateOf(piece),
  });
  function* take({ dimensions, cells }: StateRow): Generator<StateRow, void, undefined> {
    for (const piece of (cells[0] as SessionPieces | null)?.pieces ?? []) {
      if (open !== undefined && piece.firstMs - open.piece.lastMs <= sessions.gapMs) {
        mergePieces(sessions, open.piece, piece);
        continue;
      }
      if (open !== undefined) yield shown(open);
      open = { dimensions, piece: copyPiece(piece) };
    }
  }
  function* end(): Generator<StateRow, void, undefined> {
    if (open === undefined) return;
    const last = open;
    for (const row of more(last)) {
      yield* take(row);
      // What begins in the rows to come was not asked for.
      if (open !== last) break;
    }
    if (open === last) yield shown(last);
    open = undefined;
  }
  for (const row of rows) {
    if (open !== undefined && !isOfGroup(row, open.dimensions)) yield* end();
    yield* take(row);
  }
  yield* end();
}

export function isOfGroup(row: StateRow, dimensions: readonly Scalar[]): boolean {
  return row.dimensions === dimensions || row.dimensions.every((value, i) => value === dimensions[i]);
}
