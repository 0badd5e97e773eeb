import type { ReconciledGeneration, ViewDescription } from "../answers.ts";
import { formatAge, formatCount, formatTime, formatValue } from "../figures.ts";
import { DifferingRows } from "./differing-rows.tsx";
import { Examples } from "./examples.tsx";
import { ReconciliationChip } from "./reconciliation-chip.tsx";

/** What came of one generation, or of a check, which makes none. */
export function Reconciled(props: {
  readonly reconciled: ReconciledGeneration;
  readonly view: ViewDescription;
  readonly isServing: boolean;
}) {
  const { reconciled, view, isServing } = props;
  const { generation, run, createdAt, cut, reconciliation } = reconciled;
  return (
    <section aria-label={`Reconciliation of ${generation ?? run}`}>
      <div class="section-head">
        <h2>
          {view.name} <ReconciliationChip reconciliation={reconciliation} />
        </h2>
        <p>{stateOf(generation, isServing)}</p>
      </div>
      <dl class="facts">
        <dt>{generation === null ? "check" : "generation"}</dt>
        <dd>
          <code>{generation ?? run}</code>, made {formatAge(createdAt)} ({formatTime(createdAt)})
        </dd>
        <dt>cut</dt>
        <dd>
          <code>{cut}</code>
        </dd>
        {reconciliation.kind === "not-compared" ? (
          <>
            <dt>not compared</dt>
            <dd>{reconciliation.reason}</dd>
          </>
        ) : (
          <>
            <dt>held against</dt>
            <dd>
              {reconciliation.against === null ? (
                "the tail alone"
              ) : (
                <>
                  <code>{reconciliation.against}</code> ⊕ the sealed tail
                </>
              )}
            </dd>
            <dt>keys</dt>
            <dd>
              {formatCount(reconciliation.keys)}, of which {formatCount(reconciliation.differing)} differ
              {reconciliation.differing > 0 &&
                `; the largest drift is ${formatValue(reconciliation.largestDrift)}`}
            </dd>
          </>
        )}
      </dl>
      {reconciliation.kind === "compared" && reconciliation.differing > 0 && (
        <>
          <h3>Where it differed</h3>
          <p class="soft">
            What the batch layer found, and what was being served at the cut. Batch is the truth.
          </p>
          {isServing ? (
            <DifferingRows key={run} view={view} examples={reconciliation.examples} />
          ) : (
            <Examples view={view} examples={reconciliation.examples} />
          )}
        </>
      )}
    </section>
  );
}

function stateOf(generation: string | null, isServing: boolean): string {
  if (generation === null) return "A check of its moment: it made no generation.";
  return isServing ? "It serves now." : "Another generation serves now.";
}
