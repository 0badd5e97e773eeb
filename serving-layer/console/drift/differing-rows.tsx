import type { AnswerRow, AnswerValue, DriftExample, ViewDescription } from "../answers.ts";
import { rowsPath } from "../api.ts";
import { useAsked } from "../asked.ts";
import { formatValue } from "../figures.ts";
import { Empty, ProblemNote } from "../parts/note.tsx";
import { Examples } from "./examples.tsx";
import { SideTable } from "./side-table.tsx";

const mostRows = 200;

interface Answer {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly provenance: {
    readonly reconciliation: { readonly kind: string; readonly reason?: string };
  };
}

/** The rows of the generation that serves in which batch and speed differ at its cut, and what is answered now. */
export function DifferingRows(props: {
  readonly view: ViewDescription;
  /** Shown where it can't be said row by row. */
  readonly examples: readonly DriftExample[];
}) {
  const { view, examples } = props;
  const parameters = new URLSearchParams({ differing: "true", limit: String(mostRows) });
  const { answer, problem } = useAsked<Answer>(rowsPath(view, parameters, "compare"));
  if (answer === undefined) return <ProblemNote problem={problem} />;
  const { reason } = answer.provenance.reconciliation;
  if (reason !== undefined) {
    return (
      <>
        <p>Row by row there is nothing to hold it against: {reason}. Some of them:</p>
        <Examples view={view} examples={examples} />
      </>
    );
  }
  if (answer.rows.length === 0) return <Empty>Not one row differs.</Empty>;
  const keys = [
    ...view.dimensions.map(({ name }) => name),
    ...(view.window === null ? [] : [view.window.name]),
  ];
  return (
    <>
      <SideTable
        label="Differing rows"
        keys={keys}
        measures={view.measures.map(({ name }) => name)}
        sides={["batch", "speed", "merged now"]}
        rows={answer.rows.map((row) => ({
          key: keys.map((name) => formatValue(row[name] as AnswerValue)),
          sides: [row.batch, row.speed, row.merged].map((side) => (side ?? null) as AnswerRow | null),
        }))}
      />
      {answer.rows.length === mostRows && <p class="soft">The first {mostRows} rows.</p>}
    </>
  );
}
