import { existsSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import { AppendedTable } from "../infra/appended-table.ts";
import type { Duckdb } from "../infra/duckdb.ts";
import type { GenerationReader } from "../infra/generations/generations.ts";
import { dimensionColumns, paneColumn } from "../infra/generations/key-columns.ts";
import { binder, dimensionColumn, floatColumn, stateColumn } from "../infra/generations/state-columns.ts";
import type { StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import { type BaseOf, BaseStates } from "./base-states.ts";
import type { Turns } from "./clock.ts";
import { type ColumnStatement, compileColumnStatement, isPageEnough } from "./column-sql.ts";
import { isStoredRow } from "./group-shape.ts";
import type { Plan } from "./plan.ts";
import type { Groups, Rollup, Sink } from "./rollup.ts";
import type { RowGroup } from "./rows.ts";

interface Scan {
  readonly plan: Plan;
  readonly reader: Pick<GenerationReader, "group" | "statesPaths" | "manifest">;
  readonly rollup: Rollup<RowGroup>;
  /** In how many groups the tail has a part at most. */
  readonly touched: number;
  /** Gives the tail's part, of the moment when it is first called. */
  readonly collect: () => Groups<RowGroup>;
}

/** Connections that scan side by side: each takes all threads that DuckDB has. */
const atOnce = 2;
const touchedTable = "_touched";
/** Up to so many rows it is quicker to look up their states in the index than to read those of all rows by columns. */
const fewRows = 2_048;

/**
 * Reads the states of generations by columns: DuckDB, over their Parquet files, filters and groups them, and where only the first
 * rows of an order are asked for gives few more than these. The tail's part is merged here.
 */
export class ColumnScans implements AsyncDisposable {
  readonly #open: () => Promise<Duckdb>;
  readonly #bases = new BaseStates();
  #duckdb: Promise<Duckdb> | undefined;
  #connections: Promise<DuckDBConnection>[] = [];
  #idle: DuckDBConnection[] = [];
  readonly #waiting: ((connection: DuckDBConnection) => void)[] = [];

  /** `open` is called with the first scan. */
  constructor(open: () => Promise<Duckdb>) {
    this.#open = open;
  }

  /**
   * The thread is given up only after the tail's part was collected. False: files were deleted meanwhile, so that what was
   * offered is not all; the tail's part is as it was collected.
   */
  async scan(scan: Scan, sink: Sink<RowGroup>, turns: Turns): Promise<boolean> {
    let connection = this.#idle.pop();
    if (connection === undefined) {
      scan.collect();
      connection = await this.#take();
    }
    try {
      for await (const groups of this.#groups(connection, scan, turns)) {
        for (const group of groups) {
          if (turns.isDue()) await turns.next();
          sink.offer(group);
        }
      }
    } catch (error) {
      if (scan.reader.statesPaths.every((path) => existsSync(path))) throw error;
      return false;
    } finally {
      this.#give(connection);
    }
    return true;
  }

  /** Each way collects the tail's part before it first waits. */
  #groups(connection: DuckDBConnection, scan: Scan, turns: Turns): AsyncIterable<readonly RowGroup[]> {
    const { plan, reader, touched } = scan;
    if (!isPageEnough(plan.query) || touched * 2 > reader.manifest.rows) return allGroups(connection, scan);
    if (touched === 0 || isStoredRow(plan.query)) return this.#firstRows(connection, scan, turns);
    return firstAndTouchedGroups(connection, scan);
  }

  /**
   * The first rows of the generation, those that the tail has a part in left out: these are put together one by one, while DuckDB
   * is at work, and may come anywhere in the order. Of groups that are no stored rows the tail may have a part in none.
   */
  async *#firstRows(
    connection: DuckDBConnection,
    scan: Scan,
    turns: Turns,
  ): AsyncGenerator<readonly RowGroup[], void, undefined> {
    const { plan, reader, rollup, collect } = scan;
    const baseOf = this.#bases.of(plan, reader);
    // DuckDB is at work while the tail is read.
    const untouched = untouchedRows(connection, scan, baseOf);
    const ahead = collect();
    // If it fails, that is heard of when it is waited for.
    const ended = untouched.catch(() => undefined);
    try {
      const touched: RowGroup[] = [];
      for (const [key, more] of ahead) {
        if (turns.isDue()) await turns.next();
        const cells = baseOf(key, more);
        if (cells === undefined) {
          touched.push(more);
          continue;
        }
        const { dimensions, pane } = more;
        const group = rollup.start({ dimensions, pane, cells }, pane, dimensions);
        rollup.combine(group, more);
        touched.push(group);
      }
      yield (await untouched).map((row) => rollup.start(row, row.pane, row.dimensions));
      yield touched;
    } finally {
      // The connection is given to others after this.
      await ended;
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

/** As many of the first groups without a part of the tail as the page takes; where any has one, they are rows as stored. */
async function untouchedRows(
  connection: DuckDBConnection,
  { plan, reader, touched, collect }: Scan,
  baseOf: BaseOf,
): Promise<readonly StateRow[]> {
  const page = plan.query.limit + 1;
  for (let most = page + Math.min(touched, page + 100); ; most *= 8) {
    const statement = compileColumnStatement(plan, reader.statesPaths, most);
    const isByIndex = most <= fewRows && isStoredRow(plan.query);
    const asked = isByIndex ? { ...statement, cells: [] } : statement;
    const rows: StateRow[] = [];
    let read = 0;
    for await (const chunk of chunksOf(connection, plan.query.stored, asked)) {
      read += chunk.length;
      const ahead = collect();
      for (const row of chunk) {
        const key = plan.keyOf(row.dimensions, row.pane);
        if (!ahead.has(key)) rows.push(isByIndex ? { ...row, cells: baseOf(key, row) ?? row.cells } : row);
      }
    }
    if (rows.length >= page || read < most) return rows;
  }
}

function allGroups(connection: DuckDBConnection, scan: Scan): AsyncIterable<readonly RowGroup[]> {
  return mergedGroups(connection, scan, compileColumnStatement(scan.plan, scan.reader.statesPaths));
}

/** The first groups that the tail has no part in, and every one in which it has: of one grouping. */
async function* firstAndTouchedGroups(
  connection: DuckDBConnection,
  scan: Scan,
): AsyncGenerator<readonly RowGroup[], void, undefined> {
  const { plan, reader, collect } = scan;
  const ahead = collect();
  const grouped = dimensionColumns(plan.query.view).filter((_, i) => plan.query.groupBy.includes(i));
  const table = await AppendedTable.create<StateRow>(connection, touchedTable, [...grouped, paneColumn]);
  for (const group of ahead.values()) table.append(group);
  table.close();
  const first = plan.query.limit + 1;
  yield* mergedGroups(
    connection,
    scan,
    compileColumnStatement(plan, reader.statesPaths, first, touchedTable),
  );
}

/** What the statement gives, each with the tail's part in it, and then what the tail alone has. */
async function* mergedGroups(
  connection: DuckDBConnection,
  { plan, rollup, collect }: Scan,
  statement: ColumnStatement,
): AsyncGenerator<readonly RowGroup[], void, undefined> {
  const ahead = collect();
  const met = new Set<string>();
  for await (const rows of chunksOf(connection, plan.query.stored, statement)) {
    yield rows.map((row) => {
      const group = rollup.start(row, row.pane, row.dimensions);
      const key = plan.keyOf(row.dimensions, row.pane);
      const more = ahead.get(key);
      if (more !== undefined) {
        rollup.combine(group, more);
        met.add(key);
      }
      return group;
    });
  }
  yield [...ahead].filter(([key]) => !met.has(key)).map(([, group]) => group);
}

/** Rows of the query's groups: dimensions that are not grouped by are null, and cells that are not asked for are zero. */
async function* chunksOf(
  connection: DuckDBConnection,
  view: View,
  { sql, grouped, cells, parameters }: ColumnStatement,
): AsyncGenerator<readonly StateRow[], void, undefined> {
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
    yield Array.from({ length: chunk.rowCount }, (_, row) => {
      const key = view.dimensions.map(() => null as StateRow["dimensions"][number]);
      dimensionReads.forEach((read, at) => {
        key[grouped[at] ?? 0] = read(row);
      });
      const state = zero.slice();
      cellReads.forEach((read, at) => {
        state[cells[at] ?? 0] = read(row) as never;
      });
      return { dimensions: key, pane: paneRead(row) ?? 0, cells: state };
    });
  }
}
