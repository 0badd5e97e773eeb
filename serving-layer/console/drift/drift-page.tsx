import { useEffect } from "preact/hooks";
import type { ReconciledGeneration, ViewDescription } from "../answers.ts";
import { call } from "../api.ts";
import { useAsked } from "../asked.ts";
import { Empty, ProblemNote } from "../parts/note.tsx";
import { useDeed } from "../parts/use-deed.ts";
import { hrefOf, useRoute } from "../route.ts";
import { watched } from "../status.ts";
import { useStore } from "../store.ts";
import { Marks } from "./marks.tsx";
import { Reconciled } from "./reconciled.tsx";
import { ReconciliationChip } from "./reconciliation-chip.tsx";

/** What each batch run found when it held its answers against what was being served. */
export function DriftPage() {
  const { subject, query } = useRoute();
  const { status } = useStore(watched);
  const views = useAsked<{ readonly views: readonly ViewDescription[] }>("/v1/views");
  const { answer, problem, again } = useAsked<{ readonly reconciliations: readonly ReconciledGeneration[] }>(
    "/v1/reconciliations?limit=1000",
  );
  const last = status?.runs.last?.id;
  useEffect(again, [last, again]);
  const checking = useDeed();
  const isChecking = status?.runs.running?.kind === "check";
  const check = () =>
    checking.start(async () => {
      await call("/v1/reconciliations", { method: "POST" });
    });
  const all = answer?.reconciliations ?? [];
  const chosen = choose(all, subject, query.get("run"));
  const view = views.answer?.views.find(({ name }) => name === chosen?.view);
  return (
    <>
      <div class="page-head">
        <h1>Comparison</h1>
        <button type="button" class="primary" disabled={checking.isDoing || isChecking} onClick={check}>
          {isChecking ? "Checking…" : "Check now"}
        </button>
      </div>
      <p class="soft">
        Each generation and each check, key by key, against what was being served at the same cut.
      </p>
      <ProblemNote problem={checking.problem ?? problem ?? views.problem} />
      {answer !== undefined && all.length === 0 && (
        <Empty>No generation yet: the first batch run makes them.</Empty>
      )}
      <div class="verdicts">
        {views.answer?.views.map(({ name }) => {
          const reconciled = all.filter((one) => one.view === name);
          const [newest] = reconciled;
          return (
            newest !== undefined && (
              <div class="verdict" key={name}>
                <a href={hrefOf("drift", name)} aria-current={name === chosen?.view ? "true" : undefined}>
                  {name}
                </a>
                <Marks reconciled={reconciled} chosen={chosen?.run} />
                <ReconciliationChip reconciliation={newest.reconciliation} />
              </div>
            )
          );
        })}
      </div>
      {chosen !== undefined && view !== undefined && (
        <Reconciled
          reconciled={chosen}
          view={view}
          isServing={status?.views[chosen.view]?.generation?.id === chosen.generation}
        />
      )}
    </>
  );
}

/** Unless one is named: what drifted last, or else what was made last. */
function choose(
  all: readonly ReconciledGeneration[],
  view: string | undefined,
  run: string | null,
): ReconciledGeneration | undefined {
  const ofView = all.filter((one) => view === undefined || one.view === view);
  return (
    ofView.find((one) => one.run === run) ??
    ofView.find(({ reconciliation }) => reconciliation.kind === "compared" && reconciliation.differing > 0) ??
    ofView[0]
  );
}
