import { evolvedFilesToSql, straddlingSql } from "../infra/master/evolved-files.ts";
import type { Measure } from "../views/aggregate.ts";
import { columnType, nodeToSql, quoteIdentifier, type SqlParameters } from "../views/expression.ts";
import type { Mapping } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import { paneToSql } from "../views/window.ts";
import {
  byKeySql,
  codeColumn,
  countColumn,
  gatherFew,
  isCounted,
  joinPartsSql,
  type Part,
  partsOf,
  sharedCode,
} from "./by-code.ts";
import { mappedRowsToSql, ofMappedRows } from "./mapped-rows.ts";
import { sessionSql } from "./session-sql.ts";
import { slackColumn, slackSql } from "./slack.ts";
import type { Source } from "./source.ts";
import type { Statement } from "./statement.ts";

export const paneColumn = "_pane";

/**
 * The view as DuckDB SQL over the master files, a source for each of its topics: its states over their records, one row per
 * key and pane. Columns: the dimensions under their names, `_pane BIGINT`, the state columns under
 * theirs, each float sum followed by its slack.
 *
 * Rows come in the order of the dimensions, nulls first, then pane. Positions, not names, say what is grouped by: in
 * a GROUP BY, DuckDB takes a name for the source's column before it takes it for the row's.
 */
export function compileSql(view: View, sources: readonly Source[]): Statement {
  const parameters: SqlParameters = { values: [] };
  const [first, second] = view.mappings;
  const mapping = first === undefined || second !== undefined ? ofMappedRows(view) : first;
  const pane =
    view.window === undefined
      ? "CAST(0 AS BIGINT)"
      : paneToSql(view.window.window, "epoch_ms(_event_time)", parameters);
  const key = [
    ...mapping.dimensions.map(({ name, node }) => ({ sql: nodeToSql(node, parameters), name })),
    { sql: pane, name: paneColumn },
  ];
  const where = [
    "NOT _duplicate",
    ...(mapping.where === undefined ? [] : [nodeToSql(mapping.where, parameters)]),
  ];
  const rows = `FROM (${rowsToSql(view, sources, parameters)})
WHERE ${where.join(" AND ")}`;
  const { sessions } = view;
  if (sessions !== undefined) {
    const states = (mapping.inSession ?? mapping.measures).flatMap((measure) =>
      stateColumns(measure, parameters),
    );
    const sql = sessionSql({ sessions, state: view.columns[0]?.name ?? "", key, states, records: rows });
    return { sql, parameters: parameters.values };
  }
  const positions = key.map((_, i) => i + 1);
  const names = [...view.dimensions.map(({ name }) => quoteIdentifier(name)), paneColumn];
  const partToSql = (part: Part) => {
    const code = sharedCode(part, parameters);
    const states = part
      .filter((measure) => !isCounted(measure))
      .flatMap((measure) => stateColumns(measure, parameters));
    const ofCode = code === undefined ? [] : [`${code} AS ${codeColumn}`, `count(*) AS ${countColumn}`];
    const grouped = `SELECT ${[...key.map(({ sql, name }) => column(sql, name)), ...ofCode, ...states].join(", ")}
${rows}
GROUP BY ${[...positions, ...(code === undefined ? [] : [key.length + 1])].join(", ")}`;
    return code === undefined ? grouped : byKeySql(part, names, grouped);
  };
  const records = sources.reduce((sum, source) => sum + source.records, 0);
  const parts = partsOf(gatherFew(view, records, mapping.measures)).map(partToSql);
  const columns = mapping.measures.flatMap(columnNames);
  const sql = `${parts.length === 1 ? parts[0] : joinPartsSql(names, columns, parts)}
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

/** The statement's rows, in their order, into a temporary table of the connection, which replaces one of its name. */
export function intoTable({ sql, parameters }: Statement, table: string): Statement {
  return { sql: `CREATE OR REPLACE TEMP TABLE ${quoteIdentifier(table)} AS ${sql}`, parameters };
}

/** How many records the sources hold, duplicates included. */
export function countSql(sources: readonly Source[]): Statement {
  const parameters: SqlParameters = { values: [] };
  const counts = sources.map((source) => `(SELECT count(*) FROM (${sourceToSql(source, parameters)}))`);
  const sql = `SELECT ${counts.join(" + ")}`;
  return { sql, parameters: parameters.values };
}

/** What `stateColumns` gives, by name. */
function columnNames(measure: Measure): readonly string[] {
  return measure.aggregate.state
    .flatMap((state) => [`${measure.name}.${state.name}`, slackColumn(measure, state) ?? []].flat())
    .map(quoteIdentifier);
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

/** What is grouped: the records of the one event type as they are, those of several mapped to rows of one shape. */
function rowsToSql(view: View, sources: readonly Source[], parameters: SqlParameters): string {
  const parts = view.mappings.map((mapping) => {
    const source = sources.find(({ event }) => event === mapping.event);
    if (source === undefined)
      throw new Error(`view "${view.name}" needs the records of ${mapping.event.name}`);
    const records = elementsToSql(mapping, sourceToSql(source, parameters));
    return view.mappings.length === 1 ? records : mappedRowsToSql(view, mapping, records, parameters);
  });
  return parts.join("\nUNION ALL\n");
}

/** Records, or where the view is from a list, its elements, whose places `_element` counts from 1. */
function elementsToSql({ list }: Mapping, records: string): string {
  const places =
    list === undefined ? "1" : `unnest(range(1, coalesce(len(${quoteIdentifier(list.name)}), 0) + 1))`;
  return `SELECT *, ${places} AS _element FROM (${records})`;
}

function sourceToSql(source: Source, parameters: SqlParameters): string {
  const { event, covered, straddling } = source;
  if (event.former.length > 0) return evolvedFilesToSql(source, parameters);
  const columns = [
    ...["_event_time", "_partition", "_offset", "_duplicate"],
    ...event.fields.map((field) => quoteIdentifier(field.name)),
  ].join(", ");
  const path = (text: string) => `$${parameters.values.push(text)}`;
  const parts = straddling.map(
    (file) =>
      `SELECT ${columns} FROM read_parquet(${path(file.path)}) WHERE ${straddlingSql(file, parameters)}`,
  );
  if (covered.length > 0) {
    parts.unshift(`SELECT ${columns} FROM read_parquet([${covered.map(path).join(", ")}])`);
  }
  if (parts.length > 0) return parts.join("\nUNION ALL ");
  const none = [
    ...["CAST(NULL AS TIMESTAMP_MS) AS _event_time", "CAST(NULL AS INTEGER) AS _partition"],
    ...["CAST(NULL AS BIGINT) AS _offset", "CAST(NULL AS BOOLEAN) AS _duplicate"],
    ...event.fields.map((field) => column(`CAST(NULL AS ${columnType(field)})`, field.name)),
  ];
  return `SELECT ${none.join(", ")} WHERE false`;
}
