import { existsSync } from "node:fs";
import type { DuckDBConnection } from "@duckdb/node-api";
import { AppendedTable } from "../infra/appended-table.ts";
import type { Duckdb } from "../infra/duckdb.ts";
import type { GenerationReader } from "../infra/generations/generations.ts";
import { dimensionColumns, paneColumn } from "../infra/generations/key-columns.ts";
import { binder, dimensionColumn, floatColumn, stateColumn } from "../infra/generations/state-columns.ts";
import type { StateRow } from "../views/state.ts";
import { type BaseOf, BaseStates } from "./base-states.ts";
import type { Turns } from "./clock.ts";
import { type ColumnStatement, compileColumnStatement, isPageEnough } from "./column-sql.ts";
import { isStoredRow } from "./group-shape.ts";
import { fewRows, KeptRows } from "./kept-rows.ts";
import type { Plan } from "./plan.ts";
import type { Groups, Rollup, Sink } from "./rollup.ts";
import type { RowGroup } from "./rows.ts";
import { ScanConnections } from "./scan-connections.ts";

/** What scans need of a generation's reader. */
export interface ColumnReader extends Pick<GenerationReader, "group" | "statesPaths" | "manifest"> {
  /** Told before columns are read; of rows that are kept it is not. */
  readonly onColumns?: () => void;
}

interface Scan {
  readonly plan: Plan;
  readonly reader: ColumnReader;
  readonly rollup: Rollup<RowGroup>;
  /** In how many groups the tail has a part at most. */
  readonly touched: number;
  /** Gives the tail's part, of the moment when it is first called. */
  readonly collect: () => Groups<RowGroup>;
}

const touchedTable = "_touched";

/**
 * Reads the states of generations by columns: DuckDB, over their Parquet files, filters and groups them, and where only the first
 * rows of an order are asked for gives few more than these. The tail's part is merged here.
 */
export class ColumnScans implements AsyncDisposable {
  readonly #connections: ScanConnections;
  readonly #bases = new BaseStates();
  readonly #kept = new KeptRows();

  /** `open` is called with the first scan. */
  constructor(open: () => Promise<Duckdb>) {
    this.#connections = new ScanConnections(open);
  }

  /**
   * The thread is given up only after the tail's part was collected. False: files were deleted meanwhile, so that what was
   * offered is not all; the tail's part is as it was collected.
   */
  async scan(scan: Scan, sink: Sink<RowGroup>, turns: Turns): Promise<boolean> {
    try {
      for await (const groups of this.#groups(scan, turns)) {
        for (const group of groups) {
          if (turns.isDue()) await turns.next();
          sink.offer(group);
        }
      }
    } catch (error) {
      if (scan.reader.statesPaths.every((path) => existsSync(path))) throw error;
      return false;
    }
    return true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connections[Symbol.asyncDispose]();
  }

  /** Each way collects the tail's part before it first waits. */
  #groups(scan: Scan, turns: Turns): AsyncIterable<readonly RowGroup[]> {
    const { plan, reader, touched } = scan;
    const all = compileColumnStatement(plan, reader.statesPaths);
    const isLittle = this.#kept.of(reader.manifest, all) !== undefined;
    if (isLittle || !isPageEnough(plan.query) || touched * 2 > reader.manifest.rows) {
      return mergedGroups(scan, this.#rows(scan, all));
    }
    if (touched === 0 || isStoredRow(plan.query)) return this.#firstRows(scan, turns);
    return mergedGroups(scan, this.#firstAndTouched(scan, all));
  }

  /**
   * The first rows of the generation, those that the tail has a part in left out: these are put together one by one, while DuckDB
   * is at work, and may come anywhere in the order. Of groups that are no stored rows the tail may have a part in none.
   */
  async *#firstRows(scan: Scan, turns: Turns): AsyncGenerator<readonly RowGroup[], void, undefined> {
    const { plan, reader, rollup, collect } = scan;
    const baseOf = this.#bases.of(plan, reader);
    // DuckDB is at work while the tail is read.
    const untouched = this.#untouchedRows(scan, baseOf);
    // If it fails, that is heard of when it is waited for.
    untouched.catch(() => undefined);
    const touched: RowGroup[] = [];
    for (const [key, more] of collect()) {
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
  }

  /** As many of the first groups without a part of the tail as the page takes; where any has one, they are rows as stored. */
  async #untouchedRows(scan: Scan, baseOf: BaseOf): Promise<readonly StateRow[]> {
    const { plan, reader, collect } = scan;
    const page = plan.query.limit + 1;
    for (let most = 2 * page + 100; ; most *= 8) {
      const statement = compileColumnStatement(plan, reader.statesPaths, most);
      // It is quicker to look up the states of few rows in the index than to read those of all rows by columns.
      const isByIndex = most <= fewRows && isStoredRow(plan.query);
      const rows: StateRow[] = [];
      let read = 0;
      for await (const chunk of this.#rows(scan, isByIndex ? { ...statement, cells: [] } : statement)) {
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

  /** What the statement gives; where it is little, it is kept. */
  async *#rows({ plan, reader }: Scan, statement: ColumnStatement): AsyncGenerator<readonly StateRow[]> {
    const kept = this.#kept.of(reader.manifest, statement);
    if (kept !== undefined) {
      yield kept;
      return;
    }
    using lease = this.#connections.idle() ?? (await this.#connections.take());
    const rows: StateRow[] = [];
    for await (const chunk of chunksOf(lease.connection, plan, reader, statement)) {
      if (rows.length <= fewRows) rows.push(...chunk);
      yield chunk;
    }
    this.#kept.keep(reader.manifest, statement, rows);
  }

  /** The first groups that the tail has no part in, and every one in which it has: of one grouping. */
  async *#firstAndTouched(
    { plan, reader, collect }: Scan,
    all: ColumnStatement,
  ): AsyncGenerator<readonly StateRow[]> {
    using lease = this.#connections.idle() ?? (await this.#connections.take());
    const { connection } = lease;
    const grouped = dimensionColumns(plan.query.view).filter((_, i) => plan.query.groupBy.includes(i));
    const table = await AppendedTable.create<StateRow>(connection, touchedTable, [...grouped, paneColumn]);
    for (const group of collect().values()) table.append(group);
    table.close();
    const first = Math.max(plan.query.limit + 1, fewRows);
    const statement = compileColumnStatement(plan, reader.statesPaths, first, touchedTable);
    const rows: StateRow[] = [];
    for await (const chunk of chunksOf(connection, plan, reader, statement)) {
      if (rows.length < first) rows.push(...chunk);
      yield chunk;
    }
    // There are no others, then.
    if (rows.length < first) this.#kept.keep(reader.manifest, all, rows);
  }
}

/** Rows of the generation, each with the tail's part in it, and then what the tail alone has. */
async function* mergedGroups(
  { plan, rollup, collect }: Scan,
  chunks: AsyncIterable<readonly StateRow[]>,
): AsyncGenerator<readonly RowGroup[], void, undefined> {
  const ahead = collect();
  const met = new Set<string>();
  for await (const rows of chunks) {
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
  plan: Plan,
  reader: ColumnReader,
  { sql, grouped, cells, parameters }: ColumnStatement,
): AsyncGenerator<readonly StateRow[], void, undefined> {
  reader.onColumns?.();
  const view = plan.query.stored;
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
