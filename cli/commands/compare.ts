import type { Command } from "commander";
import type { AnswerRow, AnswerValue, CompareAnswer, ComparedRow } from "../answers.ts";
import { type ClientOptions, clientCommand, withClient } from "../command.ts";
import { describeProvenance } from "../provenance.ts";
import { plural } from "../quantity.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";
import { addQueryOptions, type QueryOptions, queryParameters } from "./query.ts";

type CompareOptions = QueryOptions & ClientOptions & { readonly differing?: true };

export function registerCompare(program: Command, terminal: Terminal): void {
  const command = clientCommand(terminal, "compare", [
    "compare airport-hours --where origin=ORD --from 2001-06-30 --to 2001-07-01",
    "compare routes-by-day --differing",
  ]);
  program.addCommand(
    addQueryOptions(command)
      .description("Hold the batch answer against what the speed layer served at the same cut")
      .option("--differing", "only rows where the two differ")
      .action((view: string, options: CompareOptions) =>
        withClient(options.url, async (client) => {
          const differing = options.differing ? "true" : undefined;
          const answer = await client.compare(view, { ...queryParameters(options), differing });
          if (options.json) writeJson(terminal, answer);
          else writeComparison(terminal, answer);
        }),
      ),
  );
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
