import type { DuckDBConnection, DuckDBMaterializedResult } from "@duckdb/node-api";
import type { Timers } from "../infra/timers.ts";
import type { Scalar } from "../views/expression.ts";

/** `$1`, `$2`, … of the text stand for `parameters`. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly Scalar[];
}

const interruptAgainMs = 100;

/**
 * Runs a statement that ends early, with an error, if the signal aborts. An interrupt that comes while DuckDB still
 * prepares the statement is lost on it, so it is sent again until the statement has ended.
 */
export async function runStatement(
  connection: DuckDBConnection,
  { sql, parameters }: Statement,
  signal: AbortSignal,
  timers: Timers,
): Promise<DuckDBMaterializedResult> {
  signal.throwIfAborted();
  let again: ReturnType<Timers["setTimeout"]> | undefined;
  const interrupt = () => {
    connection.interrupt();
    again = timers.setTimeout(interrupt, interruptAgainMs);
  };
  signal.addEventListener("abort", interrupt);
  try {
    return await connection.run(sql, [...parameters]);
  } finally {
    signal.removeEventListener("abort", interrupt);
    timers.clearTimeout(again);
  }
}
