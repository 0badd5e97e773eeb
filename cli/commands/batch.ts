import { Command, Option } from "commander";
import type { GenerationResult, Run, RunPast, RunResult } from "../../infra/jobs/jobs.ts";
import { type ErrorCode, errorCodes, TidemarkError } from "../../views/errors.ts";
import { type Client, isFinished } from "../client.ts";
import { type ClientOptions, clientCommand, collect, wholeNumber, withClient } from "../command.ts";
import { Progress } from "../progress.ts";
import { formatCount, formatSpan, plural } from "../quantity.ts";
import { describeReconciliation } from "../reconciliation.ts";
import { renderTable } from "../table.ts";
import { type Terminal, writeJson } from "../terminal.ts";

export function registerBatch(program: Command, terminal: Terminal): void {
  const batch = new Command("batch").description("Start, list and roll back batch runs");
  batch.addCommand(
    clientCommand(terminal, "run", [
      "batch run",
      "batch run --full",
      "batch run --no-wait",
      'batch run --as-of "aviation.flight.landed@0:120,1:80,2:95,3:101" --view airport-hours',
    ])
      .description(
        "Compute every view up to this moment and publish a generation of each; or some as of the past",
      )
      .option("--full", "over all records, also where a view could go on from its last generation")
      .option("--as-of <position>", "compute a past cut for queries as of it; what serves stays as it is")
      .addOption(
        new Option("--view <view>", "as of the past, only this view; repeat it for others").argParser(
          collect,
        ),
      )
      .option("--no-wait", "only ask for it; say which run it is")
      .action((options: RunOptions) =>
        withClient(options.url, (client) => runBatch(terminal, client, options)),
      ),
  );
  batch.addCommand(
    clientCommand(terminal, "list", ["batch list --limit 20"])
      .description("List batch runs, newest first")
      .option("--limit <runs>", "at most so many", wholeNumber, "10")
      .action((options: ClientOptions & { readonly limit: string }) =>
        withClient(options.url, async (client) => {
          const runs = await client.runs(Number(options.limit));
          if (options.json) writeJson(terminal, { runs });
          else terminal.out.write(runs.length === 0 ? "no runs yet\n" : renderRuns(runs));
        }),
      ),
  );
  batch.addCommand(
    clientCommand(terminal, "rollback", ["batch rollback airport-hours g-20010701000000-a1b2c3"])
      .description("Let a view be served from another of its generations; the tail follows")
      .argument("<view>", "name of the view")
      .argument("<generation>", 'id of a generation that is kept, as "status" and "batch run" show it')
      .action((view: string, generation: string, options: ClientOptions) =>
        withClient(options.url, async (client) => {
          await client.activate(view, generation);
          if (options.json) writeJson(terminal, { view, generation });
          else terminal.out.write(`${view} is served from ${generation}\n`);
        }),
      ),
  );
  program.addCommand(batch);
}

type RunOptions = ClientOptions & {
  readonly wait: boolean;
  readonly full?: true;
  readonly asOf?: string;
  readonly view?: readonly string[];
};

async function runBatch(terminal: Terminal, client: Client, options: RunOptions): Promise<void> {
  const { full, asOf, view: views } = options;
  const submitted = await client.submitRun({ full, asOf, views });
  if (!options.wait) {
    if (options.json) writeJson(terminal, submitted);
    else terminal.out.write(`${runLine(submitted)}\n`);
    return;
  }
  const run = await followRun(terminal, client, submitted);
  if (run.state !== "succeeded" || run.result === null) throw runError(run);
  const { reconciliations } = run.result;
  if (options.json) writeJson(terminal, { run, reconciliations });
  else {
    const made = run.past ? renderPast(run.past, run) : renderGenerations(run);
    terminal.out.write(`${runLine(run)}\n${expiredLines(run.result)}\n${made}`);
  }
}

export async function followRun(terminal: Terminal, client: Client, submitted: Run): Promise<Run> {
  let run = submitted;
  const progress = new Progress(terminal, run.kind === "check" ? "check" : "batch run", 1);
  try {
    for await (run of client.watchRun(submitted.id)) {
      if (isFinished(run)) break;
      progress.update(run.progress?.fraction ?? 0, describeStep(run));
    }
  } finally {
    progress[Symbol.dispose]();
  }
  return run;
}

/** `compute airport-hours`, or that it waits. */
export function describeStep(run: Run): string {
  if (run.state === "queued") return "waiting for the run before it";
  return [run.progress?.step ?? "starting", run.progress?.view ?? ""].join(" ").trimEnd();
}

export function runError({ id, state, error }: Run): TidemarkError {
  const code =
    error !== null && Object.hasOwn(errorCodes, error.code) ? (error.code as ErrorCode) : undefined;
  return new TidemarkError(
    code ?? (state === "cancelled" ? "TIDEMARK_RUN_CANCELLED" : "TIDEMARK_INTERNAL"),
    `run ${id} ${state}${error === null ? "" : `: ${error.message}`}`,
  );
}

export function runLine(run: Run): string {
  const records = run.result === null ? "" : ` over ${formatCount(run.result.records)} records`;
  const took = tookMs(run);
  const step = run.state === "running" ? ` (${describeStep(run)})` : "";
  return `run ${run.id} ${run.state}${step}${took === undefined ? "" : ` in ${formatSpan(took)}`}${records}`;
}

function expiredLines({ expired = [] }: RunResult): string {
  return expired
    .map(({ type, before, records, deadLetters }) => {
      const letters = deadLetters === 0 ? "" : ` and ${plural(deadLetters, "dead letter")}`;
      return `${plural(records, "fact")}${letters} of ${type} from before ${before.slice(0, 10)} left\n`;
    })
    .join("");
}

function tookMs({ startedAt, finishedAt }: Run): number | undefined {
  return startedAt === null || finishedAt === null
    ? undefined
    : Date.parse(finishedAt) - Date.parse(startedAt);
}

function renderGenerations({ result }: Run): string {
  const { generations = [], reconciliations = [] } = result ?? {};
  const drift = generations.map(({ id }) => {
    const found = reconciliations.find(({ generation }) => generation === id);
    return found === undefined ? "not known" : describeReconciliation(found.reconciliation);
  });
  return renderTable([
    { title: "view", values: generations.map(({ view }) => view) },
    { title: "generation", values: generations.map(({ id }) => id) },
    { title: "rows", values: generations.map(({ rows }) => rows) },
    { title: "computed", values: generations.map(computedText) },
    { title: "reconciliation", values: drift },
  ]);
}

function renderPast({ position }: RunPast, { result }: Run): string {
  const generations = result?.generations ?? [];
  const table = renderTable([
    { title: "view", values: generations.map(({ view }) => view) },
    { title: "kept as", values: generations.map(({ id }) => id) },
    { title: "rows", values: generations.map(({ rows }) => rows) },
  ]);
  return `${table}\nto be asked for with --as-of "${position}"\n`;
}

/** Which way a generation was come by. */
function computedText({ base, inFull }: GenerationResult): string {
  if (base !== null) return `from ${base}`;
  return inFull === null ? "in full" : `in full: ${inFull}`;
}

/** Of all views of a run. */
function wayText({ result }: Run): string {
  const generations = result?.generations ?? [];
  if (generations.length === 0) return "";
  const full = generations.filter(({ base }) => base === null).length;
  if (full === generations.length) return "in full";
  return full === 0 ? "incremental" : `incremental, ${full} of ${generations.length} in full`;
}

function sumOf(expired: NonNullable<RunResult["expired"]>): number {
  return expired.reduce((sum, { records }) => sum + records, 0);
}

function renderRuns(runs: readonly Run[]): string {
  const span = (run: Run) => {
    const took = tookMs(run);
    return took === undefined ? null : formatSpan(took);
  };
  const left = runs.map(({ result }) => sumOf(result?.expired ?? []));
  return renderTable([
    { title: "run", values: runs.map(({ id }) => id) },
    { title: "state", values: runs.map(({ state }) => state) },
    { title: "kind", values: runs.map(({ kind }) => kind) },
    { title: "asked for by", values: runs.map(({ requestedBy }) => requestedBy) },
    { title: "at", values: runs.map(({ requestedAt }) => requestedAt) },
    { title: "computed", values: runs.map(wayText) },
    { title: "took", values: runs.map(span), align: "right" },
    { title: "records", values: runs.map(({ result }) => result?.records ?? null) },
    ...(left.every((count) => count === 0) ? [] : [{ title: "left", values: left }]),
    { title: "error", values: runs.map(({ error }) => error?.code ?? "") },
  ]);
}
