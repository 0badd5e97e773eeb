import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { TidemarkError } from "../../views/errors.ts";
import type { AnswerExplanation, RowsAnswer, ViewAnswer } from "../answers.ts";
import { type ClientOptions, clientCommand, collect, wholeNumber, withClient } from "../command.ts";
import type { QueryParameters } from "../connection.ts";
import { describeProvenance } from "../provenance.ts";
import { formatCount, plural } from "../quantity.ts";
import { seriesColumns, timeColumn } from "../series.ts";
import { columnsOf, renderTable } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";

export interface QueryOptions {
  readonly from?: string;
  readonly to?: string;
  readonly granularity?: string;
  readonly tz?: string;
  readonly where?: Readonly<Record<string, readonly string[]>>;
  readonly groupBy?: string;
  readonly measures?: string;
  readonly orderBy?: string;
  readonly limit?: string;
  readonly cursor?: string;
  readonly after?: string;
  readonly asOf?: string;
  readonly layer?: string;
  readonly fill?: string;
}

interface ShownOptions {
  readonly series?: true;
  readonly totals?: true;
  readonly explain?: true;
  readonly csv?: true;
}

export function registerQuery(program: Command, terminal: Terminal): void {
  const command = clientCommand(terminal, "query", [
    "query airport-hours --where origin=ORD --from 2001-06-30 --to 2001-07-01",
    "query airport-hours --group-by origin --measures flights,delay --order-by -flights --limit 10",
    'query totals-by-hour --granularity 1d --from 2001-06-01  # --group-by "" gives one row over all',
    "query airport-hours --where origin=ORD --granularity 1d --series",
    "query airport-hours --where origin=ORD --csv > ord.csv",
    "query airport-hours --where origin=ORD --as-of 2026-06-01  # what the generation of that time said",
  ]);
  program.addCommand(
    addQueryOptions(command)
      .description("Ask a view: one exact answer over everything so far")
      .addOption(new Option("--layer <layer>", "what to answer from").choices(["merged", "batch", "speed"]))
      .addOption(
        new Option("--fill <value>", "what stands where a series has no row").choices([
          "zero",
          "null",
          "previous",
        ]),
      )
      .option("--series", "a line for each group and measure, with its course over time")
      .option("--totals", "beneath the rows what all of them come to, those of other pages too")
      .option("--explain", "how the answer was come by, and what was read for it")
      .option("--csv", "print the rows as CSV")
      .action((view: string, options: QueryOptions & ShownOptions & ClientOptions) =>
        withClient(options.url, async (client) => {
          const parameters = {
            ...queryParameters(options),
            totals: options.totals && "true",
            explain: options.explain && "true",
          };
          if (options.csv) {
            terminal.out.write(await client.rowsCsv(view, parameters));
            return;
          }
          const answer = await client.rows(view, parameters);
          if (options.json) writeJson(terminal, answer);
          else if (options.series) writeSeries(terminal, answer, (await client.view(view)).measures);
          else writeRows(terminal, answer);
        }),
      ),
  );
}

/** The argument and the options that `query` and `compare` share. */
export function addQueryOptions(command: Command): Command {
  return command
    .argument("<view>", "name of the view")
    .option("--from <time>", "first instant: 2001-06-30, 2001-06-30T08:00:00Z or epoch milliseconds")
    .option("--to <time>", "where the range ends, itself not included")
    .option("--granularity <length>", 'wider panes, such as 1d, 1w or 1mo, or "all"')
    .option("--tz <zone>", "the zone whose days, weeks or months these are, such as Europe/Berlin")
    .option("--where <dimension=value>", "only rows with this value; repeat it for any of several", condition)
    .option("--group-by <dimensions>", "dimensions to tell rows apart by, with commas")
    .option("--measures <measures>", "measures to show, with commas")
    .option("--order-by <columns>", '"-flights,origin": falling by flights, then rising by origin')
    .option("--limit <rows>", "at most so many rows", wholeNumber)
    .option("--cursor <cursor>", "go on where an answer ended")
    .option("--after <position>", "wait until this position of an ingest is covered")
    .option(
      "--as-of <cut>",
      "as it was: at the position of an answer, or by a kept generation, its id or a time",
    );
}

function condition(text: string, former: QueryOptions["where"] = {}): QueryOptions["where"] {
  const split = text.indexOf("=");
  if (split < 1) throw new InvalidArgumentError("Give DIMENSION=VALUE, such as origin=ORD.");
  const dimension = text.slice(0, split);
  return { ...former, [dimension]: collect(text.slice(split + 1), former[dimension]) };
}

export function queryParameters(options: QueryOptions): QueryParameters {
  const { from, to, granularity, tz, groupBy, measures, orderBy, limit, cursor, after, asOf, layer, fill } =
    options;
  return {
    ...options.where,
    from,
    to,
    granularity,
    tz,
    groupBy,
    measures,
    orderBy,
    limit,
    cursor,
    after,
    asOf,
    layer,
    fill,
  };
}

function writeRows(terminal: Terminal, answer: RowsAnswer): void {
  const { rows, totals, explain } = answer;
  terminal.out.write(rows.length === 0 ? "no rows\n" : renderTable(columnsOf(rows)));
  if (totals !== undefined) {
    terminal.out.write(
      `\n${paint(terminal, "dim", "all rows together")}\n${renderTable(columnsOf([totals]))}`,
    );
  }
  writeGrounds(terminal, answer);
  if (explain !== undefined) terminal.out.write(`${paint(terminal, "dim", describeExplanation(explain))}\n`);
}

/** One line for each thing that was read. */
function describeExplanation({ path, instead, generation, tail, groups, ms }: AnswerExplanation): string {
  const others = instead.length === 0 ? "" : `; ${instead.join(", ")} would have given the same`;
  return [
    `path: ${path}${others}`,
    generation === null
      ? "generation: none"
      : `generation: ${generation.id}, ${formatCount(generation.read)} of ${plural(generation.rows, "row")} read`,
    tail === null
      ? "tail: none"
      : `tail: ${tail.how}, ${formatCount(tail.matched)} of ${formatCount(tail.entries)} entries in the answer`,
    `${plural(groups, "group")} in ${ms.toFixed(1)} ms`,
  ].join("\n");
}

function writeSeries(terminal: Terminal, answer: RowsAnswer, measures: ViewAnswer["measures"]): void {
  const { rows } = answer;
  const time = timeColumn(rows);
  if (rows.length > 0 && time === undefined) {
    throw new TidemarkError(
      "TIDEMARK_QUERY_PARAMETER",
      "--series: these rows have no time to run along; group by the view's window too, or leave --series out",
    );
  }
  const named = measures.map(({ name }) => name).filter((name) => Object.hasOwn(rows[0] ?? {}, name));
  terminal.out.write(
    time === undefined ? "no rows\n" : renderTable(seriesColumns({ rows, time, measures: named })),
  );
  writeGrounds(terminal, answer);
}

function writeGrounds(terminal: Terminal, { rows, provenance, cursor }: RowsAnswer): void {
  terminal.out.write(
    `\n${paint(terminal, "dim", `${plural(rows.length, "row")} · ${describeProvenance(provenance)}`)}\n`,
  );
  if (cursor !== null && cursor !== undefined) {
    terminal.err.write(`there are more rows: --cursor ${cursor} goes on, --limit gives more at once\n`);
  }
}
