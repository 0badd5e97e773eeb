import type { Run, StatusAnswer } from "../answers.ts";
import { formatAge, formatCount, formatDuration, formatShort } from "../figures.ts";
import { verdictOf } from "../parts/health.tsx";
import { rateOf, type Watched } from "../status.ts";
import { type Layout, narrow, wide } from "./layout.ts";
import { PartitionBars } from "./partition-bars.tsx";
import { Stage } from "./stage.tsx";
import { Arrowheads, Stream } from "./stream.tsx";
import { Water } from "./water.tsx";

/** Producers to answers, with what flows and how far each part is. */
export function Diagram({ seen, isWide }: { readonly seen: Watched; readonly isWide: boolean }) {
  const { status, samples } = seen;
  const last = samples.at(-1);
  if (status === undefined || last === undefined) return null;
  const layout = isWide ? wide : narrow;
  const { stages } = layout;
  const { runs, log } = status;
  const tail = Math.max(0, last.folded - last.cut);
  const highest = Math.max(1, ...samples.map(({ folded, cut }) => folded - cut));
  const lag = Math.max(0, last.log - last.folded);
  const accepted = rateOf(samples, "log");
  return (
    <svg
      class="diagram"
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      role="img"
      aria-label={`${formatCount(last.log)} records in the log, ${formatCount(last.cut)} in every generation, ${formatCount(tail)} in the tail, ${formatCount(lag)} not yet folded`}
    >
      <Arrowheads />
      <Flows layout={layout} seen={seen} running={runs.running} />
      <Stage
        box={stages.producers}
        name="Producers"
        figure={rateText(accepted)}
        notes={["events accepted"]}
      />
      <Stage box={stages.log} name="Log" figure={formatShort(last.log)} notes={[logNote(status)]}>
        <PartitionBars log={log} box={stages.log} />
      </Stage>
      <Stage
        box={stages.speed}
        name="Speed layer"
        tone="speed"
        figure={lag === 0 ? "up to date" : `${formatShort(lag)} behind`}
        notes={[`${Object.keys(status.views).length} views folded`]}
      />
      <Stage
        box={stages.tail}
        name="Tail"
        tone="speed"
        figure={formatShort(tail)}
        notes={["records since the cut", `${formatShort(entriesOf(status))} states in memory`]}
      >
        <Water box={stages.tail} level={tail / highest} />
      </Stage>
      <Stage
        box={stages.master}
        name="Master dataset"
        tone="batch"
        figure={formatShort(last.archived)}
        notes={[
          last.archived >= last.log ? "all archived" : `${formatShort(last.log - last.archived)} to archive`,
        ]}
      />
      <Stage box={stages.batch} name="Batch layer" tone="batch" {...batchText(runs)}>
        <RunBar run={runs.running} width={stages.batch.width} height={stages.batch.height} />
      </Stage>
      <Stage box={stages.generations} name="Generations" tone="batch" {...generationsText(status)} />
      <Stage
        box={stages.serving}
        name="Answers"
        figure={verdictOf(seen).text}
        notes={["batch ⊕ speed, at one cut"]}
      />
    </svg>
  );
}

function Flows(props: { readonly layout: Layout; readonly seen: Watched; readonly running: Run | null }) {
  const { samples } = props.seen;
  const step = props.running?.progress?.step;
  const folded = rateOf(samples, "folded");
  const isSealing = props.running !== null && (step === undefined || step === "seal");
  const shown = {
    accepted: { tone: "plain", rate: rateOf(samples, "log") },
    folded: { tone: "speed", rate: folded },
    told: { tone: "speed", isMoving: (folded ?? 0) > 0 },
    archived: { tone: "batch", rate: rateOf(samples, "archived") },
    computed: { tone: "batch", isMoving: step === "compute" || step === "archive" },
    published: { tone: "batch", isMoving: step === "reconcile" || step === "publish" },
    sealed: { tone: "plain", isMoving: isSealing, text: isSealing ? "seal" : undefined },
    answersTail: { tone: "speed" },
    answersBatch: { tone: "batch" },
  } as const;
  return (
    <>
      {props.layout.flows.map((flow) => (
        <Stream key={flow.name} flow={flow} {...shown[flow.name]} />
      ))}
    </>
  );
}

/** How far the run in hand is, along the lower edge. */
function RunBar(props: { readonly run: Run | null; readonly width: number; readonly height: number }) {
  if (props.run === null) return null;
  const room = props.width - 28;
  return (
    <g class="run-bar" transform={`translate(14 ${props.height - 14})`}>
      <rect class="run-bar-bed" width={room} height="4" rx="2" />
      <rect class="run-bar-done" width={room * (props.run.progress?.fraction ?? 0)} height="4" rx="2" />
    </g>
  );
}

function rateText(rate: number | undefined): string {
  return rate === undefined ? "…" : `${formatShort(Math.round(rate))}/s`;
}

function logNote({ log }: StatusAnswer): string {
  const partitions = Object.values(log).reduce((sum, { nexts }) => sum + nexts.length, 0);
  const topics = Object.keys(log).length;
  return `${topics === 1 ? "1 topic" : `${topics} topics`}, ${partitions} partitions`;
}

function entriesOf({ views }: StatusAnswer): number {
  return Object.values(views).reduce((sum, { tail }) => sum + (tail?.entries ?? 0), 0);
}

function batchText({ running, queued, last }: StatusAnswer["runs"]) {
  if (running !== null) {
    const { step = "seal", fraction = 0 } = running.progress ?? {};
    return { figure: `${Math.floor(fraction * 100)} %`, notes: [step] };
  }
  if ((queued ?? 0) > 0) return { figure: "queued", notes: [`${queued} waiting`] };
  if (last === null) return { figure: "idle", notes: ["no run yet"] };
  const took = Date.parse(last.finishedAt ?? "") - Date.parse(last.startedAt ?? "");
  return {
    figure: "idle",
    notes: [Number.isNaN(took) ? last.state : `${last.state} in ${formatDuration(took)}`],
  };
}

function generationsText({ views }: StatusAnswer) {
  const generations = Object.values(views).flatMap(({ generation }) => generation ?? []);
  const newest = generations
    .map(({ createdAt }) => createdAt)
    .sort()
    .at(-1);
  const rows = generations.reduce((sum, generation) => sum + generation.rows, 0);
  if (newest === undefined) return { figure: "none", notes: ["start a run"] };
  return { figure: `${formatShort(rows)} rows`, notes: [formatAge(newest)] };
}
