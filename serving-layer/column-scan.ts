import type { DuckDBConnection } from "@duckdb/node-api";
import { AppendedTable } from "../infra/appended-table.ts";
import type { Duckdb } from "../infra/duckdb.ts";
import { binder, dimensionColumn, floatColumn, stateColumn } from "../infra/generations/state-columns.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import type { Turns } from "./clock.ts";
import { type ColumnStatement, compileColumnStatement } from "./column-sql.ts";
import { dimensionColumns, paneColumn } from "./dimension-columns.ts";
import type { Plan } from "./plan.ts";
import type { Groups, Rollup, Sink } from "./rollup.ts";
import type { RowGroup } from "./rows.ts";

interface Scan {
  readonly plan: Plan;
  /** Of the generation. */
  readonly statesPath: string;
  /** The tail's part. */
  readonly ahead: Groups<RowGroup>;
  readonly rollup: Rollup<RowGroup>;
}

/** Connections that scan side by side: each takes all threads that DuckDB has. */
const atOnce = 2;

/**
 * Reads the states of generations by columns: DuckDB, over their Parquet files, filters and groups them, and where only the first
 * rows of an order are asked for gives no more than these. The tail's part is merged here.
 */
export class ColumnScans implements AsyncDisposable {
  readonly #open: () => Promise<Duckdb>;
  #duckdb: Promise<Duckdb> | undefined;
  #connections: Promise<DuckDBConnection>[] = [];
  #idle: DuckDBConnection[] = [];
  readonly #waiting: ((connection: DuckDBConnection) => void)[] = [];

  /** `open` is called with the first scan. */
  constructor(open: () => Promise<Duckdb>) {
    this.#open = open;
  }

  /** The thread is given up only after the tail's part was collected. */
  async scan({ plan, statesPath, ahead, rollup }: Scan, sink: Sink<RowGroup>, turns: Turns): Promise<void> {
    const connection = await this.#take();
    try {
      const statement = compileColumnStatement(plan, statesPath, ahead.size);
      if (statement.touchedTable !== undefined) {
        await fillTouched(connection, statement.touchedTable, plan, ahead);
      }
      for (const sql of statement.sql) {
        for await (const row of rowsOf(connection, plan.query.stored, statement, sql)) {
          if (turns.isDue()) await turns.next();
          const group = rollup.start(row, row.pane, row.dimensions);
          const key = plan.keyOf(row.dimensions, row.pane);
          const more = ahead.get(key);
          if (more !== undefined) {
            rollup.combine(group, more);
            ahead.delete(key);
          }
          sink.offer(group);
        }
      }
    } finally {
      this.#give(connection);
    }
    for (const group of ahead.values()) {
      if (turns.isDue()) await turns.next();
      sink.offer(group);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const duckdb = await this.#duckdb?.catch(() => undefined);
    await duckdb?.[Symbol.asyncDispose]();
  }

  async #take(): Promise<DuckDBConnection> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#connections.length >= atOnce) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#duckdb ??= this.#open();
    const connection = this.#duckdb.then((duckdb) => duckdb.connect());
    this.#connections.push(connection);
    return connection;
  }

  #give(connection: DuckDBConnection): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(connection);
    else next(connection);
  }
}

async function fillTouched(
  connection: DuckDBConnection,
  name: string,
  { query }: Plan,
  ahead: Groups<RowGroup>,
): Promise<void> {
  const grouped = dimensionColumns(query.view).filter((_, i) => query.groupBy.includes(i));
  const table = await AppendedTable.create<StateRow>(connection, name, [...grouped, paneColumn]);
  for (const group of ahead.values()) table.append(group);
  table.close();
}

/** Rows of the query's groups: dimensions that are not grouped by are null, and cells that are not asked for are zero. */
async function* rowsOf(
  connection: DuckDBConnection,
  view: View,
  { grouped, cells, parameters }: ColumnStatement,
  sql: (columns: readonly string[]) => string,
): AsyncGenerator<StateRow, void, undefined> {
  const dimensions = grouped
    .map((i) => view.dimensions[i])
    .flatMap((one) => (one ? [dimensionColumn(one)] : []));
  const pane = floatColumn("_pane");
  const states = cells.map((i) => view.columns[i]).flatMap((one) => (one ? [stateColumn(one)] : []));
  const columns = [...dimensions, pane, ...states].flatMap((column) => column.sql);
  const result = await connection.stream(sql(columns), [...parameters]);
  const zero = view.columns.map((column) => column.zero);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    const bind = binder(chunk);
    const dimensionReads = dimensions.map((column) => bind(column));
    const paneRead = bind(pane);
    const cellReads = states.map((column) => bind(column));
    for (let row = 0; row < chunk.rowCount; row++) {
      const key = view.dimensions.map(() => null as StateRow["dimensions"][number]);
      dimensionReads.forEach((read, at) => {
        key[grouped[at] ?? 0] = read(row);
      });
      const state = zero.slice();
      cellReads.forEach((read, at) => {
        state[cells[at] ?? 0] = read(row) as never;
      });
      yield { dimensions: key, pane: paneRead(row) ?? 0, cells: state };
    }
  }
}
