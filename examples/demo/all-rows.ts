import type { AnswerRow } from "../../cli/answers.ts";
import type { Client } from "../../cli/client.ts";
import { patience } from "./patience.ts";

const rowsPerPage = 100_000;

/** Every row of the merged answer, over everything up to `after`. */
export async function allRows(
  client: Client,
  { view, parameters }: { readonly view: string; readonly parameters: Readonly<Record<string, string>> },
  after: string,
): Promise<AnswerRow[]> {
  const rows: AnswerRow[] = [];
  let cursor: string | undefined;
  do {
    const query = { ...parameters, limit: String(rowsPerPage), after, timeout: patience, cursor };
    const page = await client.rows(view, query);
    for (const row of page.rows) rows.push(row);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return rows;
}
