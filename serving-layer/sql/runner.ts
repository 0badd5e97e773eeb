import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  type DuckDBPreparedStatement,
  type DuckDBType,
  type DuckDBValue,
  StatementType,
  VARCHAR,
} from "@duckdb/node-api";
import { type Duckdb, interruptible } from "../../infra/duckdb.ts";
import type { Generations } from "../../infra/generations/generations.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { Log } from "../../infra/log/log.ts";
import type { Master } from "../../infra/master/master.ts";
import type { Timers } from "../../infra/timers.ts";
import { unlessAborted } from "../../infra/unless-aborted.ts";
import type { App } from "../../views/app.ts";
import { TidemarkError } from "../../views/errors.ts";
import { quoteIdentifier, type Scalar } from "../../views/expression.ts";
import { decodeCell, type StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { writeAnswer } from "./answer-text.ts";
import { isFatal, statementError } from "./duckdb-error.ts";
import type { SqlEngine, SqlOutcome, SqlParameters, SqlStatement, SqlTable, TailRow } from "./engine.ts";
import { EventTables } from "./event-tables.ts";
import { GenerationTables } from "./generation-tables.ts";
import { tablesOf } from "./statement-check.ts";
import { viewToSql } from "./view-table.ts";

export interface RunnerParts {
  readonly app: App;
  /** Confined to the folders of the stores and its own. */
  readonly duckdb: Duckdb;
  readonly generations: Pick<Generations, "open">;
  readonly master: Master;
  readonly log: Pick<Log, "read">;
  /** For files of its own. */
  readonly folder: string;
  /** What errors do not name. */
  readonly folders: readonly string[];
  readonly timers: Timers;
  /** DuckDB can't go on. */
  readonly fatal: (error: unknown) => void;
}

/**
 * Carries out statements on a DuckDB of its own. Each has a connection to itself, on which the tables that it names are
 * views; what is made for it goes with the connection.
 */
export class SqlRunner implements SqlEngine, AsyncDisposable {
  readonly #parts: RunnerParts;
  readonly #lifecycle: Lifecycle;
  readonly #parser: DuckDBConnection;
  readonly #generations: GenerationTables;
  readonly #events: EventTables;
  #running = 0;

  private constructor(
    parts: RunnerParts,
    lifecycle: Lifecycle,
    parser: DuckDBConnection,
    generations: GenerationTables,
    events: EventTables,
  ) {
    this.#parts = parts;
    this.#lifecycle = lifecycle;
    this.#parser = parser;
    this.#generations = generations;
    this.#events = events;
  }

  static async open(parts: RunnerParts): Promise<SqlRunner> {
    const { duckdb, folder, generations, log, master } = parts;
    const lifecycle = new Lifecycle();
    const tables = lifecycle.use(
      new GenerationTables({ generations, folder, connection: await duckdb.connect() }),
    );
    const connections = [await duckdb.connect(), await duckdb.connect()] as const;
    const events = new EventTables({ log, master, folder, connections });
    return new SqlRunner(parts, lifecycle, await duckdb.connect(), tables, events);
  }

  async check(sql: string): Promise<readonly string[]> {
    return this.#translated(() => tablesOf(this.#parser, sql));
  }

  async run(statement: SqlStatement, take: (text: string) => void, signal: AbortSignal): Promise<SqlOutcome> {
    const { duckdb, timers } = this.#parts;
    const ends = new Lifecycle();
    this.#running++;
    try {
      const connection = await duckdb.connect();
      ends.defer(() => duckdb.disconnect(connection));
      return await this.#translated(() =>
        interruptible(connection, signal, timers, async () => {
          for (const [i, table] of statement.tables.entries()) {
            await this.#define(connection, `_table ${i}`, table, ends, signal);
          }
          const prepared = await connection.prepare(statement.sql);
          ends.defer(() => prepared.destroySync());
          if (prepared.statementType !== StatementType.SELECT) throw new Error("not a SELECT after all");
          bind(prepared, statement.parameters);
          return writeAnswer(await prepared.stream(), statement, take);
        }),
      );
    } catch (error) {
      // What is interrupted fails in its own words.
      throw signal.aborted ? signal.reason : error;
    } finally {
      this.#running--;
      await ends[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lifecycle[Symbol.asyncDispose]();
  }

  async #define(
    connection: DuckDBConnection,
    name: string,
    table: SqlTable,
    ends: Lifecycle,
    signal: AbortSignal,
  ): Promise<void> {
    const sql =
      table.kind === "view"
        ? await this.#viewToSql(connection, name, table, ends, signal)
        : await this.#events.toSql(this.#event(table.event), table.nexts, this.#running === 1, signal);
    for (const as of table.names) {
      await connection.run(`CREATE TEMP VIEW ${quoteIdentifier(as)} AS ${sql}`);
    }
  }

  async #viewToSql(
    connection: DuckDBConnection,
    name: string,
    table: Extract<SqlTable, { kind: "view" }>,
    ends: Lifecycle,
    signal: AbortSignal,
  ): Promise<string> {
    const view = this.#view(table.view);
    // What is made of a generation is for others too: it goes on when this one's time is over.
    const generation =
      table.generation === null
        ? undefined
        : await unlessAborted(this.#generations.use(view, table.generation), signal);
    if (generation !== undefined) ends.use(generation);
    const tail = [...table.tail].map((row) => decodeRow(view, row));
    return viewToSql(connection, name, view, generation, tail, signal);
  }

  #view(name: string): View {
    const view = this.#parts.app.views.find((candidate) => candidate.name === name);
    if (view === undefined) throw new Error(`there is no view "${name}"`);
    return view;
  }

  #event(name: string) {
    const event = this.#parts.app.events.find((candidate) => candidate.name === name);
    if (event === undefined) throw new Error(`there is no event type "${name}"`);
    return event;
  }

  async #translated<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isFatal(error)) this.#parts.fatal(error);
      throw statementError(error, this.#parts.folders);
    }
  }
}

function decodeRow(view: View, [dimensions, pane, cells]: TailRow): StateRow {
  return {
    dimensions,
    pane,
    cells: view.columns.map((column, i) => decodeCell(column, cells[i] ?? null)),
  };
}

/** `$1`, `$2`, … or `?` of an array, `$name` of an object; each must be given, and no other. */
function bind(prepared: DuckDBPreparedStatement, parameters: SqlParameters): void {
  const given = new Map<string, Scalar>(
    Array.isArray(parameters)
      ? parameters.map((value, i) => [String(i + 1), value as Scalar] as const)
      : Object.entries(parameters),
  );
  for (let i = 1; i <= prepared.parameterCount; i++) {
    const name = parameterName(prepared, i);
    const value = given.get(name);
    if (value === undefined) {
      throw new TidemarkError("TIDEMARK_SQL_STATEMENT", `parameter $${name} is not given`);
    }
    given.delete(name);
    const [type, toBind] = typed(value);
    prepared.bindValue(i, toBind, type);
  }
  const [extra] = given.keys();
  if (extra !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_SQL_STATEMENT",
      `the statement has no parameter $${extra.slice(0, 100)}`,
    );
  }
}

function parameterName(prepared: DuckDBPreparedStatement, i: number): string {
  try {
    return prepared.parameterName(i);
  } catch (cause) {
    const message = "parameters are numbered from $1 on, without gaps";
    throw new TidemarkError("TIDEMARK_SQL_STATEMENT", message, { cause });
  }
}

function typed(value: Scalar): readonly [DuckDBType, DuckDBValue] {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? [BIGINT, BigInt(value)] : [DOUBLE, value];
  }
  return [typeof value === "boolean" ? BOOLEAN : VARCHAR, value];
}
