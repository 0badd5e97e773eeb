import type { Client } from "../../cli/client.ts";
import { renderTable } from "../../cli/table.ts";
import { allRows } from "../demo/all-rows.ts";
import { type Differences, findDifferences } from "./differences.ts";
import type { ExactRow } from "./exact-answers.ts";
import { questions } from "./questions.ts";

/** The merged answers held against the exact ones, by question. */
export type Held = readonly Differences[];

/** Every row of every answer, over everything up to `position`. */
export async function holdAnswers(
  client: Client,
  position: string,
  exact: readonly (readonly ExactRow[])[],
): Promise<Held> {
  const held: Differences[] = [];
  for (const [i, question] of questions.entries()) {
    held.push(findDifferences(question, await allRows(client, question, position), exact[i] ?? []));
  }
  return held;
}

/** Nothing differs, and what is not exact is off by no more than was declared. */
export function isRight(held: Held): boolean {
  return held.every(
    ({ differing, errors }) =>
      differing === 0 && Object.values(errors).every(({ found, declared }) => found <= declared),
  );
}

export function examplesOf(held: Held): readonly string[] {
  return held.flatMap(({ examples }) => examples);
}

export function countRows(held: Held): number {
  return held.reduce((sum, { rows }) => sum + rows, 0);
}

/** How many rows each answer had at each time that it was held, and whether all of them were right. */
export function renderHeld(times: readonly { readonly when: string; readonly held: Held }[]): string {
  return renderTable([
    { title: "rows of", values: questions.map(({ title }) => title) },
    ...times.map(({ when, held }) => ({
      title: when,
      values: held.map((one) => `${one.rows.toLocaleString("en-US")} ${isRight([one]) ? "✓" : "✗ WRONG"}`),
      align: "right" as const,
    })),
  ]);
}

/** Of the columns that are not exact, how far off they were. */
export function renderErrors(held: Held): string {
  const errors = held.flatMap(({ errors }, i) =>
    Object.entries(errors).map(([column, error]) => ({ of: `${column}, ${questions[i]?.title}`, ...error })),
  );
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  return renderTable([
    { title: "not exact", values: errors.map(({ of }) => of) },
    { title: "off by", values: errors.map(({ found }) => percent(found)), align: "right" },
    { title: "declared", values: errors.map(({ declared }) => percent(declared)), align: "right" },
  ]);
}
