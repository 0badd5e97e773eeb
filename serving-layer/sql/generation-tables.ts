import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { AppendedTable } from "../../infra/appended-table.ts";
import { quoteText } from "../../infra/duckdb.ts";
import type { GenerationReader, Generations } from "../../infra/generations/generations.ts";
import { quoteIdentifier } from "../../views/expression.ts";
import type { View } from "../../views/view.ts";
import { isShownAsStored, shownRows } from "../shown-rows.ts";
import { inTurns } from "./row-turns.ts";
import { isShownBySql, type ShownColumn, shownColumns, shownCondition, withPane } from "./shown-columns.ts";

/** A generation as statements read it. */
export interface GenerationTable {
  readonly reader: GenerationReader;
  /** A SELECT of its rows: the shown columns, and `_pane`. */
  readonly sql: string;
}

interface Kept {
  readonly view: View;
  readonly id: string;
  readonly table: Promise<GenerationTable>;
  readonly path: string;
  users: number;
}

/** Generations of each view that are kept open: the one that serves, and the one before it. */
const keptPerView = 2;

/**
 * Generations, opened when they are first asked for. What DuckDB can't make of the states by itself is presented here, once,
 * into a Parquet file in the folder; it goes with the generation.
 */
export class GenerationTables implements AsyncDisposable {
  readonly #generations: Pick<Generations, "open">;
  readonly #connection: DuckDBConnection;
  readonly #folder: string;
  readonly #stop = new AbortController();
  #kept: Kept[] = [];
  #latest: Promise<unknown> = Promise.resolve();

  /** The connection is for this alone, and the folder there for this alone. */
  constructor(parts: {
    readonly generations: Pick<Generations, "open">;
    readonly connection: DuckDBConnection;
    readonly folder: string;
  }) {
    this.#generations = parts.generations;
    this.#connection = parts.connection;
    this.#folder = parts.folder;
  }

  /** Stays as it is until disposed of. Throws what `Generations.open` throws. */
  async use(view: View, id: string): Promise<GenerationTable & Disposable> {
    const kept = this.#find(view, id);
    kept.users++;
    try {
      const { reader, sql } = await kept.table;
      return { reader, sql, [Symbol.dispose]: () => this.#leave(kept) };
    } catch (error) {
      this.#kept = this.#kept.filter((other) => other !== kept);
      this.#leave(kept);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const { table } of this.#kept.splice(0)) {
      const { reader } = (await table.catch(() => undefined)) ?? {};
      await reader?.[Symbol.asyncDispose]();
    }
  }

  #find(view: View, id: string): Kept {
    const found = this.#kept.find((kept) => kept.view === view && kept.id === id);
    if (found !== undefined) return found;
    const path = join(this.#folder, `${view.name}-${id}.parquet`);
    const kept: Kept = { view, id, path, table: this.#open(view, id, path), users: 0 };
    this.#kept.push(kept);
    const ofView = this.#kept.filter((other) => other.view === view);
    for (const old of ofView.slice(0, -keptPerView)) {
      this.#kept = this.#kept.filter((other) => other !== old);
      if (old.users === 0) void this.#close(old);
    }
    return kept;
  }

  #leave(kept: Kept): void {
    kept.users--;
    if (kept.users === 0 && !this.#kept.includes(kept)) void this.#close(kept);
  }

  async #close({ table, path }: Kept): Promise<void> {
    const opened = await table.catch(() => undefined);
    await opened?.reader[Symbol.asyncDispose]();
    await rm(path, { force: true });
  }

  async #open(view: View, id: string, path: string): Promise<GenerationTable> {
    const reader = await this.#generations.open(view, id);
    const columns = withPane(shownColumns(view));
    if (isShownBySql(view, columns)) {
      const shown = columns.map(
        ({ name, type, sql }) => `CAST(${sql} AS ${type}) AS ${quoteIdentifier(name)}`,
      );
      const states = `read_parquet([${reader.statesPaths.map(quoteText).join(", ")}])`;
      return { reader, sql: `SELECT ${shown.join(", ")} FROM ${states}${shownCondition(view)}` };
    }
    // One after the other: the connection has one table.
    const written = this.#latest.then(() => this.#present(view, reader, columns, path));
    this.#latest = written.catch(() => undefined);
    try {
      await written;
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
    const shown = columns.map(
      ({ name, type }) => `CAST(${quoteIdentifier(name)} AS ${type}) AS ${quoteIdentifier(name)}`,
    );
    return { reader, sql: `SELECT ${shown.join(", ")} FROM read_parquet(${quoteText(path)})` };
  }

  async #present(
    view: View,
    reader: GenerationReader,
    columns: readonly ShownColumn[],
    path: string,
  ): Promise<void> {
    const name = "_presented";
    const table = await AppendedTable.create(this.#connection, name, columns);
    const source = isShownAsStored(view) ? reader : shownRows(view, [reader]);
    for await (const row of inTurns(source.scan([], undefined, undefined), this.#stop.signal))
      table.append(row);
    table.close();
    // Parquet has no HUGEINT: it would become a DOUBLE.
    const written = columns.map(({ name, type }) => {
      const column = quoteIdentifier(name);
      return String(type) === "HUGEINT" ? `CAST(${column} AS DECIMAL(38, 0)) AS ${column}` : column;
    });
    await this.#connection.run(
      `COPY (SELECT ${written.join(", ")} FROM ${name}) TO ${quoteText(path)} (FORMAT parquet)`,
    );
    await this.#connection.run(`DROP TABLE temp.main.${name}`);
  }
}
