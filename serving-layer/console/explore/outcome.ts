import type { AnswerRow, AnswerValue, Provenance, RowsAnswer } from "../answers.ts";
import { call, Problem } from "../api.ts";
import { numberOf } from "../figures.ts";
import { compareUrl, isAdditive, type Question, rowsUrl } from "./question.ts";

/** A row of the answer, with the batch layer's part of it where that was asked for. */
export interface OutcomeRow {
  readonly key: AnswerRow;
  readonly values: AnswerRow;
  /** Undefined: not asked for. Null: the generation has no such row. */
  readonly batch: AnswerRow | null | undefined;
}

export interface Outcome {
  readonly question: Question;
  readonly rows: readonly OutcomeRow[];
  readonly provenance: Provenance;
  readonly ms: number;
}

export async function ask(question: Question, signal: AbortSignal): Promise<Outcome> {
  const begin = performance.now();
  const answer =
    question.layer === "both" ? await askBoth(question, signal) : await askRows(question, signal);
  return { question, ...answer, ms: performance.now() - begin };
}

/** Both sides of the seam are of one moment, since they come in one answer. */
async function askBoth(question: Question, signal: AbortSignal) {
  try {
    const { rows, provenance } = await call<{ rows: readonly AnswerRow[]; provenance: Provenance }>(
      compareUrl(question),
      { signal },
    );
    return {
      rows: rows.map((row) => {
        const { batch, speed: _, merged, difference: __, ...key } = row as Record<string, AnswerValue>;
        return { key, values: sideOf(merged) ?? {}, batch: sideOf(batch) };
      }),
      provenance: { ...provenance, layer: "merged" as const },
    };
  } catch (error) {
    // Until there is a generation, all of it is the tail's.
    if (!(error instanceof Problem) || error.code !== "TIDEMARK_QUERY_NO_GENERATION") throw error;
    const { rows, provenance } = await askRows(question, signal);
    return { rows: rows.map((row) => ({ ...row, batch: null })), provenance };
  }
}

async function askRows(question: Question, signal: AbortSignal) {
  const { rows, provenance } = await call<RowsAnswer>(rowsUrl(question), { signal });
  const measures = new Set(question.view.measures.map(({ name }) => name));
  return {
    rows: rows.map((row) => {
      const [key, values]: [Record<string, AnswerValue>, Record<string, AnswerValue>] = [{}, {}];
      for (const [name, value] of Object.entries(row)) (measures.has(name) ? values : key)[name] = value;
      return { key, values, batch: undefined };
    }),
    provenance,
  };
}

function sideOf(value: unknown): AnswerRow | null {
  return (value ?? null) as AnswerRow | null;
}

/** Of an additive measure how much of the row each layer has; undefined where parts don't add up to the whole. */
export function sharesOf(
  { charted }: Question,
  row: OutcomeRow,
): { batch: number; speed: number } | undefined {
  if (row.batch === undefined || !isAdditive(charted)) return undefined;
  const all = numberOf(row.values[charted.name]);
  const batch = row.batch === null ? 0 : (numberOf(row.batch[charted.name]) ?? 0);
  if (all === undefined || batch < 0 || all < batch) return undefined;
  return { batch, speed: all - batch };
}
