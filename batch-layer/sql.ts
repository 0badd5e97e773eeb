import type { Measure } from "../views/aggregate.ts";
import { nodeToSql, quoteIdentifier, type SqlParameters, sqlType } from "../views/expression.ts";
import type { View } from "../views/view.ts";
import { paneToSql } from "../views/window.ts";
import { slackColumn, slackSql } from "./slack.ts";
import type { Source } from "./source.ts";
import type { Statement } from "./statement.ts";

export const paneColumn = "_pane";

/**
 * The view as DuckDB SQL over the master files: its states over `[0, cut)`, one row per key and pane. Columns: the
 * dimensions under their names, `_pane BIGINT`, the state columns under theirs, each float sum followed by its slack.
 *
 * Rows come in the order of the dimensions, nulls first, then pane. Positions, not names, say what is grouped by: in
 * a GROUP BY, DuckDB takes a name for the source's column before it takes it for the row's.
 */
export function compileSql(view: View, source: Source): Statement {
  const parameters: SqlParameters = { values: [] };
  const pane =
    view.window === undefined
      ? "CAST(0 AS BIGINT)"
      : paneToSql(view.window.window, "epoch_ms(_event_time)", parameters);
  const key = [
    ...view.dimensions.map(({ name, node }) => column(nodeToSql(node, parameters), name)),
    column(pane, paneColumn),
  ];
  const states = view.measures.flatMap((measure) => stateColumns(measure, parameters));
  const where = ["NOT _duplicate", ...(view.where === undefined ? [] : [nodeToSql(view.where, parameters)])];
  const positions = key.map((_, i) => i + 1);
  const sql = `SELECT ${[...key, ...states].join(", ")}
FROM (${sourceToSql(source, parameters)})
WHERE ${where.join(" AND ")}
GROUP BY ${positions.join(", ")}
ORDER BY ${positions.map((position) => `${position} ASC NULLS FIRST`).join(", ")}`;
  return { sql, parameters: parameters.values };
}

/** The statement's rows into a Parquet file. Prepared statements do take parameters inside COPY and for its path. */
export function copyToParquet({ sql, parameters }: Statement, path: string): Statement {
  return {
    sql: `COPY (${sql}) TO $${parameters.length + 1} (FORMAT parquet, COMPRESSION zstd)`,
    parameters: [...parameters, path],
  };
}

/** How many records the source holds, duplicates included. */
export function countSql(source: Source): Statement {
  const parameters: SqlParameters = { values: [] };
  const sql = `SELECT count(*) FROM (${sourceToSql(source, parameters)})`;
  return { sql, parameters: parameters.values };
}

function stateColumns(measure: Measure, parameters: SqlParameters): readonly string[] {
  const { name, aggregate } = measure;
  const input = aggregate.input === undefined ? "" : nodeToSql(aggregate.input, parameters);
  const filter =
    aggregate.where === undefined ? "" : ` FILTER (WHERE ${nodeToSql(aggregate.where, parameters)})`;
  const states = aggregate.sql(input, filter);
  return aggregate.state.flatMap((state, i) => {
    const slack = slackColumn(measure, state);
    return [
      column(states[i] ?? "NULL", `${name}.${state.name}`),
      ...(slack === undefined ? [] : [column(slackSql(input, filter), slack)]),
    ];
  });
}

function column(sql: string, name: string): string {
  return `${sql} AS ${quoteIdentifier(name)}`;
}

function sourceToSql({ event, covered, straddling }: Source, parameters: SqlParameters): string {
  const columns = [
    ...["_event_time", "_partition", "_offset", "_duplicate"],
    ...event.fields.map((field) => quoteIdentifier(field.name)),
  ].join(", ");
  const path = (text: string) => `$${parameters.values.push(text)}`;
  const parts = straddling.map(
    (file) =>
      `SELECT ${columns} FROM read_parquet(${path(file.path)}) WHERE _offset < CAST($${parameters.values.push(file.next)} AS BIGINT)`,
  );
  if (covered.length > 0) {
    parts.unshift(`SELECT ${columns} FROM read_parquet([${covered.map(path).join(", ")}])`);
  }
  if (parts.length > 0) return parts.join("\nUNION ALL ");
  const none = [
    ...["CAST(NULL AS TIMESTAMP_MS) AS _event_time", "CAST(NULL AS INTEGER) AS _partition"],
    ...["CAST(NULL AS BIGINT) AS _offset", "CAST(NULL AS BOOLEAN) AS _duplicate"],
    ...event.fields.map((field) => column(`CAST(NULL AS ${sqlType(field.type)})`, field.name)),
  ];
  return `SELECT ${none.join(", ")} WHERE false`;
}
