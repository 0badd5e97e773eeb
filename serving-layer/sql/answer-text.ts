import type { DuckDBResult } from "@duckdb/node-api";
import { TidemarkError } from "../../views/errors.ts";
import { cellCsv, cellJson } from "./cell-text.ts";
import type { SqlOutcome, SqlStatement } from "./engine.ts";

/** A message between processes holds up who reads it: it is kept short. */
const pieceLength = 64 * 1024;

/** Writes a result out, piece by piece. TIDEMARK_SQL_TOO_LARGE once it is too much: no part is told as the whole. */
export async function writeAnswer(
  result: DuckDBResult,
  { format, rows: mostRows, bytes: mostBytes }: Pick<SqlStatement, "format" | "rows" | "bytes">,
  take: (text: string) => void,
): Promise<SqlOutcome> {
  const names = result.deduplicatedColumnNames();
  const columns = names.map((name, i) => ({ name, type: String(result.columnType(i)) }));
  const labels = names.map((name) => JSON.stringify(name));
  let piece = format === "csv" ? `${names.map(cellCsv).join(",")}\r\n` : "";
  let [rows, length] = [0, 0];
  const flush = () => {
    length += piece.length;
    if (length > mostBytes) throw tooLarge(`an answer of more than ${mostBytes} characters`);
    if (piece !== "") take(piece);
    piece = "";
  };
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) break;
    const vectors = names.map((_, i) => chunk.getColumnVector(i));
    for (let row = 0; row < chunk.rowCount; row++) {
      if (++rows > mostRows) throw tooLarge(`an answer of more than ${mostRows} rows`);
      if (format === "csv") piece += `${vectors.map((vector) => cellCsv(vector.getItem(row))).join(",")}\r\n`;
      else {
        const members = vectors.map((vector, i) => `${labels[i]}:${cellJson(vector.getItem(row))}`);
        const text = `{${members.join(",")}}`;
        piece += format === "ndjson" ? `${text}\n` : rows === 1 ? text : `,${text}`;
      }
      if (piece.length >= pieceLength) flush();
    }
  }
  flush();
  return { columns, rows };
}

function tooLarge(what: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_SQL_TOO_LARGE",
    `${what} is not given: narrow it by WHERE, GROUP BY or LIMIT`,
  );
}
