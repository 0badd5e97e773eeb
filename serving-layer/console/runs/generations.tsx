import { useEffect, useState } from "preact/hooks";
import type { GenerationDescription, ViewDescription } from "../answers.ts";
import { call } from "../api.ts";
import { useAsked } from "../asked.ts";
import { ReconciliationChip } from "../drift/reconciliation-chip.tsx";
import { formatAge, formatCount, formatTime } from "../figures.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Empty, ProblemNote } from "../parts/note.tsx";
import { useDeed } from "../parts/use-deed.ts";
import { watched } from "../status.ts";
import { useStore } from "../store.ts";

type Answer = ViewDescription & { readonly generations: readonly GenerationDescription[] };

/** A view's generations, and which of them serves: any other can, at once, since the tail goes on from each cut that is kept. */
export function Generations({ view }: { readonly view: string }) {
  const serving = useStore(watched).status?.views[view]?.generation?.id;
  const { answer, problem, again } = useAsked<Answer>(`/v1/views/${encodeURIComponent(view)}`);
  const [chosen, choose] = useState<GenerationDescription | undefined>(undefined);
  const activating = useDeed();
  useEffect(again, [serving, again]);
  const activate = (id: string) => {
    choose(undefined);
    activating.start(async () => {
      await call(`/v1/views/${encodeURIComponent(view)}/generations/${encodeURIComponent(id)}/activate`, {
        method: "POST",
      });
      again();
    });
  };
  return (
    <section>
      <div class="section-head">
        <h3>{view}</h3>
        {answer !== undefined && <p>{formatCount(answer.generations.length)} kept</p>}
      </div>
      <ProblemNote problem={problem ?? activating.problem} />
      {answer?.generations.length === 0 && (
        <Empty>
          {answer.layers === "speed"
            ? "None: the speed layer alone computes it."
            : "None yet: the first run makes one."}
        </Empty>
      )}
      {answer !== undefined && answer.generations.length > 0 && (
        <div class="grid">
          <table class="stack">
            <thead>
              <tr>
                <th>generation</th>
                <th>made</th>
                <th class="figure">rows</th>
                <th class="figure">records</th>
                <th>computed</th>
                <th>reconciled</th>
                <th>
                  <span class="unseen">serve it</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {answer.generations.map((generation) => (
                <tr key={generation.id} class={generation.isServing ? "selected" : ""}>
                  <td class="mono">{generation.id}</td>
                  <td title={formatTime(generation.createdAt)}>{formatAge(generation.createdAt)}</td>
                  <td class="figure" data-unit="rows">
                    {formatCount(generation.rows)}
                  </td>
                  <td class="figure" data-unit="records">
                    {formatCount(generation.records)}
                  </td>
                  <td
                    title={generation.inFull ?? (generation.base === null ? "" : `from ${generation.base}`)}
                  >
                    {generation.base === null ? "in full" : "incremental"}
                  </td>
                  <td>
                    <ReconciliationChip reconciliation={generation.reconciliation} />
                  </td>
                  <td class="figure">
                    {generation.isServing ? (
                      <b class="good">serves</b>
                    ) : generation.fingerprint === answer.fingerprint ? (
                      <button type="button" disabled={activating.isDoing} onClick={() => choose(generation)}>
                        Serve this
                      </button>
                    ) : (
                      <span class="soft">of another declaration</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {chosen !== undefined && (
        <Dialog title={`Serve ${chosen.id}?`} close={() => choose(undefined)}>
          <p>
            Answers of <b>{view}</b> will rest on the generation of {formatTime(chosen.createdAt)} with{" "}
            {formatCount(chosen.records)} records, and on the tail since its cut. The next run goes on to a
            new one.
          </p>
          <p class="row end">
            <button type="button" onClick={() => choose(undefined)}>
              Leave it
            </button>
            <button type="button" class="primary" onClick={() => activate(chosen.id)}>
              Serve it
            </button>
          </p>
        </Dialog>
      )}
    </section>
  );
}
