import { deserialize, serialize } from "node:v8";
import type { Duckdb } from "../infra/duckdb.ts";
import type { Log } from "../infra/log/log.ts";
import { archivedEvents } from "../infra/master/archived-events.ts";
import { archivedIds } from "../infra/master/archived-ids.ts";
import type { Master } from "../infra/master/master.ts";
import { TailSegment } from "../infra/tail/segment.ts";
import { decodeRow, type EncodedRow, encodeRow } from "../infra/tail/tail-record.ts";
import type { FoldedRange } from "../serving-layer/as-of/fold-past.ts";
import { replayView } from "../speed-layer/replay.ts";
import type { App } from "../views/app.ts";
import type { Cut } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { offsetIn } from "../views/mapping.ts";

/** Past records that are folded in another process: what is said to it, and what it says. */

type Range = Omit<FoldedRange, "signal">;

export interface FoldMessage {
  readonly view: string;
  readonly from: Cut;
  readonly next: Cut;
  readonly maxEntries: number;
}

export interface FoldStores {
  readonly app: App;
  readonly log: Log;
  readonly master: Master;
  readonly duckdb: Duckdb;
}

/** Rows of a segment, which is named by its place among the view's. */
type Piece = readonly [segment: number, rows: readonly EncodedRow[]];

/** Rows in one message: taken in within a millisecond. */
const rowsPerPiece = 250;

export function foldMessage({ view, ...range }: Range): FoldMessage {
  return { ...range, view: view.name };
}

/** In the process that folds: out of the log, and out of files where the log has let go of records. */
export async function foldPast(
  { app, log, master, duckdb }: FoldStores,
  { view: name, ...range }: FoldMessage,
  report: (piece: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const view = app.views.find((candidate) => candidate.name === name);
  if (view === undefined) throw new Error(`view "${name}" is not of this app`);
  const connection = await duckdb.connect();
  try {
    const { segments } = await replayView({
      ...range,
      ...{ view, log, signal, archived: "let-go", progress: () => undefined },
      archivedEvents: (...asked) => archivedEvents(connection, master, ...asked),
      archivedIds: (asked) => archivedIds(connection, master, asked),
    });
    for (const [number, segment] of segments.entries()) {
      for (const rows of inPieces(segment)) report(encodePiece([number, rows]));
    }
  } finally {
    duckdb.disconnect(connection);
  }
}

/** To take what comes back; open until they have all of it. */
export function emptySegments({ view, from, next }: Range): readonly TailSegment[] {
  return view.partitions.map(
    (_, number) => new TailSegment(view, number, offsetIn(from, view, number), offsetIn(next, view, number)),
  );
}

export function takeRows(segments: readonly TailSegment[], text: string): void {
  const [number, rows] = deserialize(Buffer.from(text, "base64")) as Piece;
  const segment = segments[number];
  if (segment === undefined) throw new Error(`there is no segment ${number}`);
  for (const row of rows) {
    const { dimensions, pane, cells } = decodeRow(segment.view, row);
    segment.restoreRow(dimensions, pane, [...cells]);
  }
}

/** Of records that took more memory than there is. */
export function tooMany({ view }: Range): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_ASOF_COSTLY",
    `view "${view.name}": folding the records up to this position took more memory than there is for it: ask for one nearer behind a generation that is kept, or as of a generation`,
  );
}

/** Channels carry JSON, which has no words for all numbers. */
function encodePiece(piece: Piece): string {
  return serialize(piece).toString("base64");
}

function* inPieces(segment: TailSegment): Generator<readonly EncodedRow[], void, undefined> {
  let rows: EncodedRow[] = [];
  for (const entry of segment.entries()) {
    rows.push(encodeRow(entry));
    if (rows.length < rowsPerPiece) continue;
    yield rows;
    rows = [];
  }
  if (rows.length > 0) yield rows;
}
