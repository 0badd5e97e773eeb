import type { Measure } from "./aggregate.ts";
import {
  type Cell,
  copyCell,
  decodeCell,
  type EncodedCell,
  encodeCell,
  type Sketch,
  type StateColumn,
} from "./state.ts";

/** What lies between the first and the last record of a session, or of the part of it that falls into one pane. */
export interface Piece {
  firstMs: number;
  lastMs: number;
  /** Of the measures over its records, flat. */
  readonly cells: Cell[];
}

/** What the pieces of a view have in common. */
export interface PieceKind {
  readonly gapMs: number;
  readonly measures: readonly Measure[];
  readonly columns: readonly StateColumn[];
}

/**
 * The sessions of one key in one pane: pieces in order of time, each more than the gap away from the next. Two pieces within
 * the gap of each other are one, so that what is left does not depend on the order in which records or states come: the
 * pieces are the records' connected components, where two are connected that lie no further apart than the gap.
 */
export class SessionPieces implements Sketch {
  readonly #kind: PieceKind;
  #pieces: Piece[] = [];

  constructor(kind: PieceKind) {
    this.#kind = kind;
  }

  get pieces(): readonly Readonly<Piece>[] {
    return this.#pieces;
  }

  /** The cells to which a record of this time is to be added. */
  at(timeMs: number): Cell[] {
    const at = this.#placeOf(timeMs);
    const piece = this.#pieces[at];
    if (piece === undefined || piece.firstMs - timeMs > this.#kind.gapMs) {
      const cells = this.#kind.columns.map((column): Cell => column.zero);
      this.#pieces.splice(at, 0, { firstMs: timeMs, lastMs: timeMs, cells });
      return cells;
    }
    if (timeMs < piece.firstMs) piece.firstMs = timeMs;
    else if (timeMs > piece.lastMs) this.#reach(at, piece, timeMs);
    return piece.cells;
  }

  copy(): SessionPieces {
    const copy = new SessionPieces(this.#kind);
    copy.#pieces = this.#pieces.map(copyPiece);
    return copy;
  }

  merge(other: SessionPieces): void {
    for (const piece of other.#pieces) {
      const at = this.#placeOf(piece.firstMs);
      const mine = this.#pieces[at];
      if (mine === undefined || mine.firstMs - piece.lastMs > this.#kind.gapMs) {
        this.#pieces.splice(at, 0, copyPiece(piece));
      } else {
        mergePieces(this.#kind, mine, piece);
        this.#reach(at, mine, mine.lastMs);
      }
    }
  }

  /** A JSON array of pieces, `[firstMs, lastMs, …cells]`, in order. */
  encode(): string {
    return JSON.stringify(
      this.#pieces.map(({ firstMs, lastMs, cells }) => [firstMs, lastMs, ...cells.map(encodeCell)]),
    );
  }

  /** From DuckDB everything comes as text. */
  static decode(kind: PieceKind, text: string): SessionPieces {
    const sessions = new SessionPieces(kind);
    sessions.#pieces = (JSON.parse(text) as EncodedCell[][]).map(([firstMs, lastMs, ...cells]) => ({
      firstMs: Number(firstMs),
      lastMs: Number(lastMs),
      cells: kind.columns.map((column, i) => decodeText(column, cells[i] ?? null)),
    }));
    return sessions;
  }

  /** Of the first piece that does not end before the gap to `timeMs` begins. Mostly the last one. */
  #placeOf(timeMs: number): number {
    const from = timeMs - this.#kind.gapMs;
    let at = this.#pieces.length;
    while (at > 0 && (this.#pieces[at - 1]?.lastMs ?? 0) >= from) at--;
    return at;
  }

  /** The piece now ends at `lastMs`: those after it that it has come near to are one with it. */
  #reach(at: number, piece: Piece, lastMs: number): void {
    piece.lastMs = lastMs;
    for (;;) {
      const next = this.#pieces[at + 1];
      if (next === undefined || next.firstMs - piece.lastMs > this.#kind.gapMs) return;
      mergePieces(this.#kind, piece, next);
      this.#pieces.splice(at + 1, 1);
    }
  }
}

export function copyPiece({ firstMs, lastMs, cells }: Readonly<Piece>): Piece {
  return { firstMs, lastMs, cells: cells.map(copyCell) };
}

/** Takes `other` into `piece`; it stays as it is. */
export function mergePieces({ measures }: PieceKind, piece: Piece, other: Readonly<Piece>): void {
  piece.firstMs = Math.min(piece.firstMs, other.firstMs);
  piece.lastMs = Math.max(piece.lastMs, other.lastMs);
  for (const { aggregate, firstCell } of measures) {
    aggregate.merge(piece.cells, firstCell, other.cells, firstCell);
  }
}

function decodeText(column: StateColumn, cell: EncodedCell): Cell {
  if (typeof cell === "string" && column.type === "float") return Number(cell);
  if (typeof cell === "string" && column.type === "boolean") return cell === "true";
  return decodeCell(column, cell);
}
