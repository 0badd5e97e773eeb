import type { ReconciledGeneration } from "../../cli/answers.ts";
import type { Client } from "../../cli/client.ts";
import { formatCount, formatSpan } from "../../cli/quantity.ts";
import { describeReconciliation } from "../../cli/reconciliation.ts";
import type { Run } from "../../infra/jobs/jobs.ts";

/** A batch run that succeeded, and how each generation it made compared with what was being served. */
export interface ReconciledRun {
  readonly run: Run;
  readonly tookMs: number;
  readonly records: number;
  readonly reconciled: readonly ReconciledGeneration[];
}

/** Starts a batch run and waits for it; throws if it fails. */
export async function runBatch(client: Client): Promise<ReconciledRun> {
  let run = await client.submitRun();
  for await (run of client.watchRun(run.id));
  if (run.state !== "succeeded" || run.result === null) {
    throw new Error(`batch run ${run.id} ${run.state}: ${run.error?.code}: ${run.error?.message}`);
  }
  const { generations, records } = run.result;
  const kept = await client.reconciliations({ limit: "100" });
  const reconciled = generations.map(({ view, id }) => {
    const found = kept.find((one) => one.view === view && one.generation === id);
    if (found === undefined) throw new Error(`no reconciliation of ${view}, generation ${id}`);
    return found;
  });
  const tookMs = Date.parse(run.finishedAt ?? "") - Date.parse(run.startedAt ?? "");
  return { run, tookMs, records, reconciled };
}

/** One batch run after the other until told to stop, at least one; the last one is waited for. */
export async function keepRunning(
  client: Client,
  shouldStop: () => boolean,
  report: (run: ReconciledRun) => void,
): Promise<void> {
  do report(await runBatch(client));
  while (!shouldStop());
}

/** Whether both layers agreed in every key of every view. A run over no records has nothing to compare. */
export function hasZeroDrift({ records, reconciled }: ReconciledRun): boolean {
  return reconciled.every(({ reconciliation }) =>
    reconciliation.kind === "compared" ? reconciliation.differing === 0 : records === 0,
  );
}

/** One line where the layers agree, else one per view. `noun` is what the records are, as in "flights". */
export function describeRun(number: number, noun: string, reconciledRun: ReconciledRun): string {
  const { tookMs, records, reconciled } = reconciledRun;
  const head = `batch run ${number}: ${formatCount(records)} ${noun} in ${formatSpan(tookMs)}`;
  const agree = reconciled.every(
    ({ reconciliation }) => reconciliation.kind === "compared" && reconciliation.differing === 0,
  );
  if (!agree) {
    const lines = reconciled.map((one) => `\n    ${one.view}: ${describeReconciliation(one.reconciliation)}`);
    return head + lines.join("");
  }
  const keys = reconciled.map(({ view, reconciliation }) =>
    reconciliation.kind === "compared" ? `${view} ${formatCount(reconciliation.keys)} keys` : view,
  );
  return `${head} · zero drift in ${keys.join(", ")}`;
}
