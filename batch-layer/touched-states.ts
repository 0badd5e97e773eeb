import { BOOLEAN, DOUBLE, type DuckDBConnection, type DuckDBType, HUGEINT, VARCHAR } from "@duckdb/node-api";
import { type AppendedColumn, AppendedTable } from "../infra/appended-table.ts";
import type { GenerationDraft, Manifest } from "../infra/generations/generations.ts";
import { dimensionColumns, paneColumn } from "../infra/generations/key-columns.ts";
import { freeFiles, partAt, partsOf, type StatesPart } from "../infra/generations/state-parts.ts";
import { unreadable } from "../infra/master/readable.ts";
import type { Timers } from "../infra/timers.ts";
import { quoteIdentifier } from "../views/expression.ts";
import { type Cell, encodeCell, type StateColumn, type StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import { runStatement } from "./statement.ts";
import { copyToSql, isOnePart, writeParts } from "./write-parts.ts";

export interface TouchedParts {
  readonly view: View;
  readonly base: Manifest;
  readonly draft: Pick<GenerationDraft, "keep" | "pathOf" | "basePathOf">;
  readonly partRows: number;
  /** For this alone. */
  readonly connection: DuckDBConnection;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

const [appended, touched, merged] = ["_appended", "_touched", "_merged"] as const;

/**
 * The states that are not the base's, put into its Parquet files: parts that none of them falls into stay as they are, the others
 * are written anew.
 */
export class TouchedStates {
  readonly #parts: TouchedParts;
  readonly #before: readonly StatesPart[];
  readonly #table: AppendedTable<StateRow>;
  /** By the base's parts: how many rows they get that they did not have; undefined: none changes. */
  readonly #newRows: (number | undefined)[];

  private constructor(parts: TouchedParts, table: AppendedTable<StateRow>) {
    this.#parts = parts;
    this.#before = partsOf(parts.base);
    this.#table = table;
    this.#newRows = this.#before.map(() => undefined);
  }

  static async create(parts: TouchedParts): Promise<TouchedStates> {
    return new TouchedStates(
      parts,
      await AppendedTable.create(parts.connection, appended, stateColumns(parts.view)),
    );
  }

  /** Each key once. */
  append(row: StateRow, isNew: boolean): void {
    const part = partAt(this.#before, row.pane);
    this.#newRows[part] = (this.#newRows[part] ?? 0) + Number(isNew);
    this.#table.append(row);
  }

  /** The parts of the generation in the making. TIDEMARK_STORE_CORRUPT where one of the base's can't be read. */
  async finish(): Promise<readonly StatesPart[]> {
    this.#table.close();
    const { draft } = this.#parts;
    const kept = this.#before.filter((_, i) => this.#newRows[i] === undefined).map(({ file }) => file);
    const files = freeFiles(kept);
    const parts: StatesPart[] = [];
    let isTyped = false;
    for (const [i, part] of this.#before.entries()) {
      const newRows = this.#newRows[i];
      if (newRows === undefined) {
        await draft.keep(part);
        parts.push(part);
        continue;
      }
      if (!isTyped)
        await this.#ofBase(part, `CREATE OR REPLACE TEMP TABLE ${touched} AS ${this.#select()} LIMIT 0`);
      // Into the columns' own types, which the base's files know.
      if (!isTyped) await this.#run(`INSERT INTO ${touched} SELECT * FROM ${appended}`);
      isTyped = true;
      parts.push(...(await this.#rewrite(i, part, part.rows + newRows, files)));
    }
    return parts;
  }

  async #rewrite(
    i: number,
    part: StatesPart,
    rows: number,
    files: Iterator<string, never>,
  ): Promise<readonly StatesPart[]> {
    const { connection, draft, partRows, timers, signal, view } = this.#parts;
    const key = [...view.dimensions.map(({ name }) => quoteIdentifier(name)), "_pane"];
    const isTouched = key.map((column) => `_t.${column} IS NOT DISTINCT FROM _base.${column}`).join(" AND ");
    const { from } = part;
    const next = this.#before[i + 1]?.from ?? null;
    const range = [
      ...(from === null ? [] : [`_pane >= ${BigInt(from)}`]),
      ...(next === null ? [] : [`_pane < ${BigInt(next)}`]),
    ];
    const where = range.length === 0 ? "" : ` WHERE ${range.join(" AND ")}`;
    const rowsInOrder = `SELECT * FROM (
  SELECT * FROM (${this.#select()}) AS _base WHERE NOT EXISTS (SELECT 1 FROM ${touched} AS _t WHERE ${isTouched})
  UNION ALL SELECT * FROM ${touched}${where}
) ORDER BY ${key.map((column) => `${column} ASC NULLS FIRST`).join(", ")}`;
    const pathOf = (file: string) => draft.pathOf(file);
    if (isOnePart(rows, partRows)) {
      const { value: file } = files.next();
      await this.#ofBase(part, copyToSql(rowsInOrder, "$2"), pathOf(file));
      return [{ file, from, rows }];
    }
    await this.#ofBase(part, `CREATE OR REPLACE TEMP TABLE ${merged} AS ${rowsInOrder}`);
    return writeParts({ table: merged, rows, from, partRows, connection, files, pathOf, timers, signal });
  }

  /** Of the base's part that is the statement's parameter: the columns of states, by name. */
  #select(): string {
    const names = stateColumns(this.#parts.view).map(({ name }) => quoteIdentifier(name));
    return `SELECT ${names.join(", ")} FROM read_parquet($1)`;
  }

  async #ofBase(part: StatesPart, sql: string, ...parameters: readonly string[]): Promise<void> {
    const path = this.#parts.draft.basePathOf(part);
    try {
      await this.#run(sql, [path, ...parameters]);
    } catch (cause) {
      this.#parts.signal.throwIfAborted();
      throw unreadable(path, cause);
    }
  }

  async #run(sql: string, parameters: readonly string[] = []): Promise<void> {
    const { connection, signal, timers } = this.#parts;
    await runStatement(connection, { sql, parameters }, signal, timers);
  }
}

/** The columns of states, for a table that rows are appended to. */
export function stateColumns(view: View): readonly AppendedColumn<StateRow>[] {
  return [...dimensionColumns(view), paneColumn, ...view.columns.map(stateColumn)];
}

/** As wide as any of its kind: the table that it goes into has the type. */
function stateColumn(column: StateColumn, i: number): AppendedColumn<StateRow> {
  const types: Readonly<Record<StateColumn["type"], DuckDBType>> = {
    integer: HUGEINT,
    float: DOUBLE,
    string: VARCHAR,
    boolean: BOOLEAN,
    sketch: VARCHAR,
  };
  return {
    name: column.name,
    type: types[column.type],
    of: ({ cells }) => appendedValue(column, cells[i] ?? null),
  };
}

function appendedValue({ type }: StateColumn, cell: Cell) {
  if (type === "integer" && typeof cell === "number") return BigInt(cell);
  return typeof cell === "bigint" ? cell : encodeCell(cell);
}
