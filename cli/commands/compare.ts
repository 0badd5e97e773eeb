import type { Command } from "commander";
import type { DriftExample, Reconciliation } from "../../infra/generations/generations.ts";
import type { ReconciledView } from "../../infra/jobs/jobs.ts";
import type { AnswerRow, AnswerValue, CompareAnswer, ComparedRow } from "../answers.ts";
import type { Client } from "../client.ts";
import { type ClientOptions, clientCommand, withClient } from "../command.ts";
import { describeProvenance } from "../provenance.ts";
import { plural } from "../quantity.ts";
import { describeReconciliation } from "../reconciliation.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";
import { followRun, runError } from "./batch.ts";
import { addQueryOptions, type QueryOptions, queryParameters } from "./query.ts";

type CompareOptions = QueryOptions &
  ClientOptions & { readonly differing?: true; readonly check?: true; readonly history?: true };

export function registerCompare(program: Command, terminal: Terminal): void {
  const command = clientCommand(terminal, "compare", [
    "compare airport-hours --where origin=ORD --from 2001-06-30 --to 2001-07-01",
    "compare routes-by-day --differing",
    "compare routes-by-day --check      # compute it anew up to this moment, and hold it against what is served",
    "compare routes-by-day --history    # what came of it so far",
  ]);
  program.addCommand(
    addQueryOptions(command)
      .description("Hold the batch answer against what the speed layer served at the same cut")
      .option("--differing", "only rows where the two differ")
      .option("--check", "compute the view anew up to this moment and hold it against what is served now")
      .option(
        "--history",
        "what batch runs and checks of the view have found; with --differing, of drift alone",
      )
      .action((view: string, options: CompareOptions) =>
        withClient(options.url, async (client) => {
          if (options.check) return checkNow(terminal, client, view, options);
          if (options.history) return showHistory(terminal, client, view, options);
          const differing = options.differing ? "true" : undefined;
          const answer = await client.compare(view, { ...queryParameters(options), differing });
          if (options.json) writeJson(terminal, answer);
          else writeComparison(terminal, answer);
        }),
      ),
  );
}

async function checkNow(terminal: Terminal, client: Client, view: string, options: CompareOptions) {
  const run = await followRun(terminal, client, await client.submitCheck(view));
  if (run.state !== "succeeded" || run.result === null) throw runError(run);
  const { reconciliations } = run.result;
  if (options.json) writeJson(terminal, { run, reconciliations });
  else terminal.out.write(renderReconciled(reconciliations.map((found) => ({ ...found, kind: run.kind }))));
}

async function showHistory(terminal: Terminal, client: Client, view: string, options: CompareOptions) {
  const { limit = "20", differing } = options;
  const parameters = { view, limit, drifting: differing ? "true" : undefined };
  const reconciliations = await client.reconciliations(parameters);
  if (options.json) writeJson(terminal, { reconciliations });
  else if (reconciliations.length === 0) terminal.out.write("nothing has been found so far\n");
  else terminal.out.write(renderReconciled(reconciliations));
}

/** A line for each, and the examples of those that differ below. */
function renderReconciled(found: readonly (ReconciledView & { readonly kind: string })[]): string {
  const table = renderTable([
    { title: "at", values: found.map(({ createdAt }) => createdAt) },
    { title: "kind", values: found.map(({ kind }) => kind) },
    { title: "generation", values: found.map(({ generation }) => generation) },
    {
      title: "reconciliation",
      values: found.map(({ reconciliation }) => describeReconciliation(reconciliation)),
    },
  ]);
  const latest = found.find(
    ({ reconciliation }) => reconciliation.kind === "compared" && reconciliation.differing > 0,
  );
  return latest === undefined ? table : `${table}\n${renderExamples(latest.reconciliation)}`;
}

function renderExamples(reconciliation: Reconciliation): string {
  if (reconciliation.kind !== "compared") return "";
  const { examples } = reconciliation;
  const side = (values: DriftExample["batch"]) => (values === null ? "no such row" : JSON.stringify(values));
  return renderTable([
    { title: "key", values: examples.map(({ dimensions }) => JSON.stringify(dimensions)) },
    { title: "pane", values: examples.map(({ pane }) => String(pane)) },
    { title: "batch", values: examples.map(({ batch }) => side(batch)) },
    { title: "served", values: examples.map(({ served }) => side(served)) },
  ]);
}

function writeComparison(terminal: Terminal, { rows, provenance }: CompareAnswer): void {
  terminal.out.write(rows.length === 0 ? "no rows\n" : renderTable(comparisonColumns(rows)));
  const differing = rows.filter(differs).length;
  const { reconciliation } = provenance;
  const verdict =
    reconciliation.kind === "compared"
      ? `${plural(differing, "row")} with drift`
      : `not compared: ${reconciliation.reason}`;
  terminal.out.write(
    `\n${paint(terminal, "dim", `${plural(rows.length, "row")} · ${verdict} · ${describeProvenance(provenance)}`)}\n`,
  );
}

/** One line per row and measure; the dimensions stand on the first line of their row. */
export function comparisonColumns(rows: readonly ComparedRow[]): TableColumn[] {
  const lines = rows.flatMap((row) =>
    measuresOf(row).map((measure, i) => ({ row, measure, isFirst: i === 0 })),
  );
  const side = (title: string, values: (row: ComparedRow) => AnswerRow | null): TableColumn => ({
    title,
    values: lines.map(({ row, measure }): AnswerValue => values(row)?.[measure] ?? null),
    align: "right",
    exact: true,
  });
  return [
    ...Object.keys(rows[0]?.dimensions ?? {}).map((title) => ({
      title,
      values: lines.map(({ row, isFirst }) => (isFirst ? row.dimensions[title] : undefined)),
    })),
    { title: "measure", values: lines.map(({ measure }) => measure) },
    side("batch", (row) => row.batch),
    side("speed", (row) => row.speed),
    side("difference", (row) => row.difference),
    side("merged now", (row) => row.merged),
  ];
}

function measuresOf({ merged, batch, speed }: ComparedRow): string[] {
  return Object.keys(merged ?? batch ?? speed ?? {});
}

/** A key that only one side has is drift too, whatever its values. */
function differs({ batch, speed, difference }: ComparedRow): boolean {
  if (difference === null) return false;
  const isOneSided = (batch === null) !== (speed === null);
  return isOneSided || Object.values(difference).some((value) => value !== null && Number(value) !== 0);
}
