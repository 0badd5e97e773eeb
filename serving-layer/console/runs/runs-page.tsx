import { useEffect } from "preact/hooks";
import { familyOf } from "../../../views/version.ts";
import type { Run, StatusAnswer, ViewStatus } from "../answers.ts";
import { call } from "../api.ts";
import { useAsked } from "../asked.ts";
import { Empty, ProblemNote } from "../parts/note.tsx";
import { useDeed } from "../parts/use-deed.ts";
import { watched } from "../status.ts";
import { useStore } from "../store.ts";
import { Generations } from "./generations.tsx";
import { RunRow } from "./run-row.tsx";
import { Versions } from "./versions.tsx";

/** Batch runs, and the versions and generations that they made. */
export function RunsPage() {
  const { status } = useStore(watched);
  const { answer, problem, again } = useAsked<{ readonly runs: readonly Run[] }>("/v1/batch/runs?limit=50");
  const starting = useDeed();
  const { running, queued, last } = status?.runs ?? {};
  const known = `${running?.id} ${queued} ${last?.id}`;
  useEffect(again, [known, again]);
  const families = familiesIn(status);
  const start = () =>
    starting.start(async () => {
      await call("/v1/batch/runs", { method: "POST" });
      again();
    });
  return (
    <>
      <div class="page-head">
        <h1>Batch runs</h1>
        <button type="button" class="primary" data-first disabled={starting.isDoing} onClick={start}>
          Start a run
        </button>
      </div>
      <ProblemNote problem={starting.problem ?? problem} />
      {answer?.runs.length === 0 && (
        <Empty>
          No run yet. The first run computes every view over all records, and holds it against what is being
          served; those after it mostly go on from its generations.
        </Empty>
      )}
      {answer !== undefined && answer.runs.length > 0 && (
        <div class="grid tall">
          <table class="stack">
            <thead>
              <tr>
                <th>state</th>
                <th>asked for</th>
                <th>by</th>
                <th class="figure">took</th>
                <th>what came of it</th>
                <th>
                  <span class="unseen">cancel</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {answer.runs.map((run) => (
                <RunRow key={run.id} listed={run} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {families.length > 0 && (
        <div class="section-head">
          <h2>Versions</h2>
          <p>The active one answers by the view's name.</p>
        </div>
      )}
      {families.map(([family, versions]) => (
        <Versions key={family} family={family} known={knownOf(versions)} />
      ))}
      <div class="section-head">
        <h2>Generations</h2>
        <p>The one that serves is marked. Rolling back is serving another.</p>
      </div>
      {Object.keys(status?.views ?? {}).map((view) => (
        <Generations key={view} view={view} />
      ))}
    </>
  );
}

/** Those with several versions. */
function familiesIn(status: StatusAnswer | undefined): readonly [string, readonly ViewStatus[]][] {
  const families = new Map<string, ViewStatus[]>();
  for (const [name, view] of Object.entries(status?.views ?? {}))
    families.set(familyOf(name), [...(families.get(familyOf(name)) ?? []), view]);
  return [...families].filter(([, versions]) => versions.length > 1);
}

/** Another whenever something about them may be. */
function knownOf(versions: readonly ViewStatus[]): string {
  return versions.map(({ isActive, generation }) => `${isActive} ${generation?.id}`).join();
}
