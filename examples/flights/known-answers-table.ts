import type { Client } from "../../cli/client.ts";
import { renderTable } from "../../cli/table.ts";
import { allRows } from "../demo/all-rows.ts";
import type { KnownAnswer } from "./answers.ts";

/** The merged answer to each question, over everything up to `position`. */
export async function askAll(
  client: Client,
  answers: readonly KnownAnswer[],
  position: string,
): Promise<number[]> {
  const values: number[] = [];
  for (const answer of answers) values.push(answer.value(await allRows(client, answer, position)));
  return values;
}

/** Before the last batch run (generation and tail together) and after it (generation alone). */
export function renderAnswers(
  answers: readonly KnownAnswer[],
  before: readonly number[],
  after: readonly number[],
): string {
  const mark = ({ expected }: KnownAnswer, i: number) =>
    before[i] === expected && after[i] === expected ? "✓" : "✗ WRONG";
  return renderTable([
    { title: "known answer", values: answers.map(({ question }) => question) },
    { title: "expected", values: answers.map(({ expected }) => expected), exact: true },
    { title: "batch ⊕ speed", values: before, exact: true },
    { title: "after the last run", values: after, exact: true },
    { title: "", values: answers.map(mark) },
  ]);
}
