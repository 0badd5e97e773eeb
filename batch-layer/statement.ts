import type { DuckDBConnection, DuckDBMaterializedResult } from "@duckdb/node-api";
import { interruptible } from "../infra/duckdb.ts";
import type { Timers } from "../infra/timers.ts";
import type { Scalar } from "../views/expression.ts";

/** `$1`, `$2`, … of the text stand for `parameters`. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly Scalar[];
}

/** Runs a statement that ends early, with an error, if the signal aborts. */
export function runStatement(
  connection: DuckDBConnection,
  { sql, parameters }: Statement,
  signal: AbortSignal,
  timers: Timers,
): Promise<DuckDBMaterializedResult> {
  return interruptible(connection, signal, timers, () => connection.run(sql, [...parameters]));
}
