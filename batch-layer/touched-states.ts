import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  type DuckDBType,
  HUGEINT,
  VARCHAR,
} from "@duckdb/node-api";
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

const [touched, merged] = ["_touched", "_merged"] as const;

/**
 * The states that are not the base's, put into its Parquet files: parts that none of them falls into stay as they are, the others
 * are written anew.
 */
export class TouchedStates {
  readonly #parts: TouchedParts;
  readonly #types: ColumnTypes;
  readonly #before: readonly StatesPart[];
  readonly #table: AppendedTable<StateRow>;
  /** By the base's parts: how many rows they get that they did not have; undefined: none changes. */
  readonly #newRows: (number | undefined)[];

  private constructor(parts: TouchedParts, types: ColumnTypes, table: AppendedTable<StateRow>) {
    this.#parts = parts;
    this.#types = types;
    this.#before = partsOf(parts.base);
    this.#table = table;
    this.#newRows = this.#before.map(() => undefined);
  }

  /** TIDEMARK_STORE_CORRUPT where the base can't be read. */
  static async create(parts: TouchedParts): Promise<TouchedStates> {
    const types = await typesOf(parts);
    const columns = stateColumns(parts.view, types);
    return new TouchedStates(parts, types, await AppendedTable.create(parts.connection, touched, columns));
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
    for (const [i, part] of this.#before.entries()) {
      const newRows = this.#newRows[i];
      if (newRows === undefined) {
        await draft.keep(part);
        parts.push(part);
        continue;
      }
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
  UNION ALL SELECT ${this.#typed()} FROM ${touched}${where}
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
    return `SELECT ${[...this.#types.keys()].map(quoteIdentifier).join(", ")} FROM read_parquet($1)`;
  }

  /** The same columns of the touched rows, of the types that they have in the base. */
  #typed(): string {
    const cast = ([name, type]: [string, string]) =>
      `CAST(${quoteIdentifier(name)} AS ${type}) AS ${quoteIdentifier(name)}`;
    return [...this.#types].map(cast).join(", ");
  }

  async #ofBase(part: StatesPart, sql: string, ...parameters: readonly string[]): Promise<void> {
    await runOfBase(this.#parts, part, sql, parameters);
  }
}

/** By the names of the columns of states, in their order: the types that they have in the base's files. */
type ColumnTypes = ReadonlyMap<string, string>;

async function typesOf(parts: TouchedParts): Promise<ColumnTypes> {
  const { view, base } = parts;
  const [part] = partsOf(base);
  if (part === undefined) throw new Error(`generation "${base.id}" has no files of states`);
  const selected = stateColumns(view)
    .map(({ name }) => quoteIdentifier(name))
    .join(", ");
  const described = await runOfBase(parts, part, `DESCRIBE SELECT ${selected} FROM read_parquet($1)`);
  return new Map((await described.getRows()).map(([name, type]) => [String(name), String(type)]));
}

async function runOfBase(
  { connection, draft, signal, timers }: TouchedParts,
  part: StatesPart,
  sql: string,
  parameters: readonly string[] = [],
) {
  const path = draft.basePathOf(part);
  try {
    return await runStatement(connection, { sql, parameters: [path, ...parameters] }, signal, timers);
  } catch (cause) {
    signal.throwIfAborted();
    throw unreadable(path, cause);
  }
}

/**
 * The columns of states, for a table that rows are appended to. `types`: those of the table that they go into after
 * that, if they are known.
 */
export function stateColumns(
  view: View,
  types: ColumnTypes = new Map(),
): readonly AppendedColumn<StateRow>[] {
  const ofCells = view.columns.map((column, i) => stateColumn(column, i, types.get(column.name)));
  return [...dimensionColumns(view), paneColumn, ...ofCells];
}

/** As wide as any of its kind, unless it is known to be narrower. */
function stateColumn(column: StateColumn, i: number, known: string | undefined): AppendedColumn<StateRow> {
  const types: Readonly<Record<StateColumn["type"], DuckDBType>> = {
    integer: known === "BIGINT" ? BIGINT : HUGEINT,
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
