import type { DuckDBConnection, DuckDBDataChunk } from "@duckdb/node-api";
import {
  binder,
  dimensionColumn,
  floatColumn,
  type ResultColumn,
  stateColumn,
} from "../infra/generations/state-columns.ts";
import { quoteIdentifier, type Scalar } from "../views/expression.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import { slackColumn } from "./slack.ts";
import { paneColumn } from "./sql.ts";
import type { Statement } from "./statement.ts";
import { StorageOrder } from "./storage-order.ts";

/** A row of the batch answer. `slack`: by the view's columns, how far a float may lie off; 0 where states are exact. */
export interface BatchRow extends StateRow {
  readonly slack: readonly number[];
}

/**
 * The rows of the Parquet files of a generation's states, a chunk at a time, in order of `storageKey`, then pane. Rows of one
 * group that follow each other share one `dimensions`.
 */
export function readStateRows(
  connection: DuckDBConnection,
  view: View,
  statesPaths: readonly string[],
): AsyncGenerator<readonly BatchRow[], void, undefined> {
  const from = `FROM read_parquet([${statesPaths.map((_, i) => `$${i + 1}`).join(", ")}])`;
  // Each file is in order of key, several are not.
  const key = [...view.dimensions.map(({ name }) => quoteIdentifier(name)), paneColumn];
  const order =
    statesPaths.length === 1 ? "" : ` ORDER BY ${key.map((column) => `${column} ASC NULLS FIRST`)}`;
  return rowsFrom(connection, view, { sql: `${from}${order}`, parameters: statesPaths });
}

/** The same of a table that has the columns and the order of `compileSql`. */
export function readStateTable(
  connection: DuckDBConnection,
  view: View,
  table: string,
): AsyncGenerator<readonly BatchRow[], void, undefined> {
  return rowsFrom(connection, view, { sql: `FROM temp.main.${quoteIdentifier(table)}`, parameters: [] });
}

/** The same of what the statement gives, which `compileSql` made. */
export function readStatement(
  connection: DuckDBConnection,
  view: View,
  { sql, parameters }: Statement,
): AsyncGenerator<readonly BatchRow[], void, undefined> {
  return rowsFrom(connection, view, { sql: `FROM (${sql})`, parameters });
}

/** `sql` is a statement from its FROM on. */
async function* rowsFrom(
  connection: DuckDBConnection,
  view: View,
  { sql: from, parameters }: Statement,
): AsyncGenerator<readonly BatchRow[], void, undefined> {
  const columns = resultColumns(view);
  const { dimensions, pane, cells, slack } = columns;
  const sql = [...dimensions, pane, ...cells, ...slack].flatMap((column) => column.sql);
  const result = await connection.stream(`SELECT ${sql.join(", ")} ${from}`, [...parameters]);
  const order = new StorageOrder<BatchRow>(view);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) break;
    yield order.next(rowsOf(columns, chunk));
  }
  yield order.rest();
}

type ResultColumns = ReturnType<typeof resultColumns>;

function resultColumns(view: View) {
  return {
    dimensions: view.dimensions.map(dimensionColumn),
    pane: floatColumn(paneColumn),
    cells: view.columns.map(stateColumn),
    slack: view.measures.flatMap((measure) =>
      measure.aggregate.state.map((state) => {
        const name = slackColumn(measure, state);
        return name === undefined ? noSlack : floatColumn(name);
      }),
    ),
  };
}

function rowsOf(columns: ResultColumns, chunk: DuckDBDataChunk): BatchRow[] {
  const bind = binder(chunk);
  const dimensionReads = columns.dimensions.map((column) => bind(column));
  const paneRead = bind(columns.pane);
  const cellReads = columns.cells.map((column) => bind(column));
  const slackReads = columns.slack.map((column) => bind(column));
  const rows: BatchRow[] = [];
  let dimensions: readonly Scalar[] = [];
  for (let i = 0; i < chunk.rowCount; i++) {
    if (i === 0 || dimensionReads.some((read, d) => read(i) !== dimensions[d])) {
      dimensions = dimensionReads.map((read) => read(i));
    }
    rows.push({
      dimensions,
      pane: paneRead(i) ?? 0,
      cells: cellReads.map((read) => read(i)),
      slack: slackReads.map((read) => read(i) ?? 0),
    });
  }
  return rows;
}

const noSlack: ResultColumn<number | null> = { sql: [], bind: () => () => 0 };
