/** What the HTTP interface answers. */
export type {
  AnswerRow,
  AnswerValue,
  DeadLetterAnswer,
  DeadLettersAnswer,
  DiffAnswer,
  ListedDeadLetter,
  Provenance,
  ReconciledGeneration,
  RowsAnswer,
  StatusAnswer,
  VersionsAnswer,
  ViewStatus,
} from "../../cli/answers.ts";
export type { DriftExample, Reconciliation } from "../../infra/generations/generations.ts";
export type { Run } from "../../infra/jobs/jobs.ts";

import type { describeGeneration, describeView } from "../describe.ts";

export type ViewDescription = ReturnType<typeof describeView>;
export type MeasureDescription = ViewDescription["measures"][number];
export type GenerationDescription = ReturnType<typeof describeGeneration> & { readonly isServing: boolean };
