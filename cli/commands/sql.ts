import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { SqlAnswer } from "../answers.ts";
import { type ClientOptions, clientCommand, withClient } from "../command.ts";
import { plural } from "../quantity.ts";
import { renderTable } from "../table.ts";
import { paint, type Terminal, writeJson } from "../terminal.ts";

interface SqlOptions extends ClientOptions {
  readonly csv?: true;
  readonly asOf?: string;
  readonly parameter?: readonly (string | number | boolean | null)[];
}

export function registerSql(program: Command, terminal: Terminal): void {
  program.addCommand(
    clientCommand(terminal, "sql", [
      `sql 'SELECT origin, sum(flights) AS flights FROM airport_hours GROUP BY origin ORDER BY flights DESC LIMIT 10'`,
      `sql 'SELECT * FROM airport_hours WHERE origin = ? LIMIT 5' --parameter '"ORD"'`,
      `sql 'SELECT count(*) AS flights FROM aviation_flight_landed' --as-of g-20260601120000-3fa9c1`,
      `sql --csv - < statement.sql > rows.csv`,
    ])
      .argument("<statement>", 'one SELECT over views and event types; "-" reads it from the input')
      .description("Ask by SQL: one SELECT over the app's views and events, as of one moment")
      .option("--parameter <json>", "a value for ? or $1; repeat it for those after it", parameter)
      .option("--csv", "print the rows as CSV")
      .option(
        "--as-of <cut>",
        "as it was: at the position of an answer, or by a kept generation, its id or a time",
      )
      .action((statement: string, options: SqlOptions) =>
        withClient(options.url, async (client) => {
          const sql = statement === "-" ? await text(process.stdin) : statement;
          const { asOf, parameter: parameters = [] } = options;
          const request = { sql, parameters, ...(asOf !== undefined && { asOf }) };
          if (options.csv) terminal.out.write(await client.sqlCsv(request));
          else {
            const answer = await client.sql(request);
            if (options.json) writeJson(terminal, answer);
            else writeAnswer(terminal, answer);
          }
        }),
      ),
  );
}

function parameter(json: string, former: SqlOptions["parameter"] = []): SqlOptions["parameter"] {
  try {
    const value: unknown = JSON.parse(json);
    if (value === null || typeof value !== "object")
      return [...former, value as string | number | boolean | null];
  } catch {
    // What is no JSON is refused like JSON of something else.
  }
  throw new InvalidArgumentError(`Give JSON of one value, such as '"ORD"', 15 or true.`);
}

function writeAnswer(terminal: Terminal, { columns, rows, provenance }: SqlAnswer): void {
  const table = columns.map(({ name }) => ({
    title: name,
    values: rows.map((row) => {
      const value = row[name];
      return typeof value === "object" && value !== null ? JSON.stringify(value) : (value ?? null);
    }),
  }));
  terminal.out.write(renderTable(table));
  const grounds = [...Object.values(provenance.views), ...Object.values(provenance.events)];
  const behind = Math.max(0, ...grounds.map(({ lag }) => lag));
  const asOf = grounds[0]?.asOf;
  const past = asOf === undefined ? "" : `as of ${asOf} · `;
  const state = behind === 0 ? "all that there is" : `${plural(behind, "record")} behind`;
  terminal.out.write(`\n${paint(terminal, "dim", `${plural(rows.length, "row")} · ${past}${state}`)}\n`);
}
