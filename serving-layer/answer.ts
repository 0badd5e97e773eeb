import { compileCsv } from "./csv.ts";
import type { SeriesRow } from "./fill.ts";
import type { Format } from "./format.ts";
import type { Query } from "./parameters.ts";
import { compileMadeRowJson, type RowJson } from "./present.ts";
import type { Page } from "./rows.ts";

/** An answer as it is sent. */
export type Answer =
  | { readonly kind: "json"; readonly etag: string | undefined; readonly text: string }
  /** Row by row, as the one who asks takes it. */
  | {
      readonly kind: "pieces";
      readonly etag: string | undefined;
      readonly format: Exclude<Format, "json">;
      readonly cursor: string | null;
      readonly provenance: string;
      readonly pieces: Iterable<string>;
    }
  /** Who asks has it already. */
  | { readonly kind: "unchanged"; readonly etag: string };

/** What stands beside the rows; all but the cursor as JSON. */
export interface Ending {
  readonly cursor: string | null;
  readonly totals?: string;
  readonly provenance: string;
  readonly explain?: string;
}

export function answerJson(rows: readonly string[], ending: Ending): string {
  return `{"rows":[${rows.join(",")}],${endingJson(ending)}}`;
}

function endingJson({ cursor, totals, provenance, explain }: Ending): string {
  const members = `"cursor":${cursor === null ? "null" : `"${cursor}"`}${totals === undefined ? "" : `,"totals":${totals}`}`;
  return `${members},"provenance":${provenance}${explain === undefined ? "" : `,"explain":${explain}`}`;
}

/** The rows in the query's format; `rowJson` writes those that are not made to fill a gap. */
export function answerOf(
  query: Query,
  rowJson: RowJson,
  { rows, cursor }: Page<SeriesRow>,
  others: Omit<Ending, "cursor">,
  etag: string | undefined,
): Answer {
  const ending = { cursor, ...others };
  const json = fillingJson(query, rowJson);
  const { format } = query;
  if (format === "json") return { kind: "json", etag, text: answerJson(rows.map(json), ending) };
  const lines = format === "ndjson" ? ndjson(rows, json, ending) : csv(query, rows);
  return { kind: "pieces", etag, format, cursor, provenance: others.provenance, pieces: inPieces(lines) };
}

function fillingJson(query: Query, rowJson: RowJson): (row: SeriesRow) => string {
  if (query.fill === undefined) return ({ dimensions, pane, cells }) => rowJson(dimensions, pane, cells);
  const made = { zero: compileMadeRowJson(query, "zero"), null: compileMadeRowJson(query, "null") };
  return (row) =>
    row.made === undefined
      ? rowJson(row.dimensions, row.pane, row.cells)
      : made[row.made](row.dimensions, row.pane);
}

/** The last line is what the rows rest on: an answer without it was cut off. */
function* ndjson(
  rows: readonly SeriesRow[],
  json: (row: SeriesRow) => string,
  ending: Ending,
): Generator<string> {
  for (const row of rows) yield `${json(row)}\n`;
  yield `{${endingJson(ending)}}\n`;
}

function* csv(query: Query, rows: readonly SeriesRow[]): Generator<string> {
  const { header, row: line } = compileCsv(query);
  yield header;
  for (const row of rows) yield line(row);
}

const pieceLength = 32_768;

/** Fewer and longer: each costs a write. */
function* inPieces(lines: Iterable<string>): Generator<string> {
  let piece = "";
  for (const line of lines) {
    piece += line;
    if (piece.length < pieceLength) continue;
    yield piece;
    piece = "";
  }
  if (piece !== "") yield piece;
}
