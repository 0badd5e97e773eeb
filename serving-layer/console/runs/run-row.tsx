import type { Run } from "../answers.ts";
import { call } from "../api.ts";
import { formatAge, formatCount, formatDuration, formatTime } from "../figures.ts";
import { ProblemNote } from "../parts/note.tsx";
import { useDeed } from "../parts/use-deed.ts";
import { hrefOf } from "../route.ts";
import { useRun } from "./use-run.ts";

const tones = { queued: "busy", running: "busy", succeeded: "good", failed: "bad", cancelled: "" } as const;

/** A batch run: how far it is, or what came of it. */
export function RunRow({ listed }: { readonly listed: Run }) {
  const run = useRun(listed);
  const cancelling = useDeed();
  const cancel = () =>
    cancelling.start(async () => {
      await call(`/v1/batch/runs/${encodeURIComponent(run.id)}`, { method: "DELETE" });
    });
  return (
    <tr data-run={run.id} data-state={run.state}>
      <td>
        <span class={`chip ${tones[run.state]}`}>{run.state}</span>
      </td>
      <td title={formatTime(run.requestedAt)}>{formatAge(run.requestedAt)}</td>
      <td>
        {run.requestedBy}
        {run.kind === "check" && ", a check"}
        {run.full && ", in full"}
      </td>
      <td class="figure">{tookText(run)}</td>
      <td>
        {run.finishedAt === null ? <Progress run={run} /> : <Result run={run} />}
        <ProblemNote problem={cancelling.problem} />
      </td>
      <td class="figure">
        {run.finishedAt === null && (
          <button type="button" disabled={cancelling.isDoing} onClick={cancel}>
            Cancel
          </button>
        )}
      </td>
    </tr>
  );
}

function Progress({ run }: { readonly run: Run }) {
  const { step, view, fraction } = run.progress ?? { step: "waiting", view: null, fraction: 0 };
  const percent = Math.floor(fraction * 100);
  return (
    <div
      role="progressbar"
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-label="How far the run is"
    >
      <span class="meter">
        <span style={{ width: `${percent}%` }} />
      </span>
      <span class="soft">
        {percent} % · {step} {view}
      </span>
    </div>
  );
}

function Result({ run }: { readonly run: Run }) {
  const { error, result } = run;
  if (error !== null) {
    return (
      <span class="bad">
        {error.message} <code class="code">{error.code}</code>
      </span>
    );
  }
  if (result === null) return null;
  return (
    <>
      {formatCount(result.records)} records
      {result.generations.map(({ view, rows, differing, base, inFull }) => (
        <span key={view}>
          {" · "}
          <a href={hrefOf("drift", view, new URLSearchParams({ run: run.id }))}>{view}</a> {formatCount(rows)}{" "}
          rows{" "}
          <span title={inFull ?? (base === null ? "" : `from ${base}`)}>
            {base === null ? "in full" : "incremental"}
          </span>
          ,{" "}
          {differing === null ? (
            <span class="soft">not compared</span>
          ) : differing === 0 ? (
            <span class="good">no drift</span>
          ) : (
            <span class="bad">{formatCount(differing)} differ</span>
          )}
        </span>
      ))}
      {result.expired?.map(({ type, before, records }) => (
        <span key={type} title={`from before ${before}`}>
          {" · "}
          {formatCount(records)} facts of {type} left
        </span>
      ))}
    </>
  );
}

function tookText({ startedAt, finishedAt }: Run): string {
  if (startedAt === null || finishedAt === null) return "";
  return formatDuration(Date.parse(finishedAt) - Date.parse(startedAt));
}
