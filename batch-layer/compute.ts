import type { DuckDBConnection } from "@duckdb/node-api";
import { columnBytes } from "../infra/master/column-values.ts";
import { readableEarlyValues } from "../infra/master/early-values.ts";
import type { Master } from "../infra/master/master.ts";
import { requireReadable } from "../infra/master/readable.ts";
import type { Timers } from "../infra/timers.ts";
import type { Cut } from "../views/cut.ts";
import type { View } from "../views/view.ts";
import { readColumns } from "./read-columns.ts";
import { type Source, sourceOf } from "./source.ts";
import { compileSql, copyToParquet } from "./sql.ts";
import { runStatement } from "./statement.ts";

export interface Compute {
  readonly view: View;
  readonly cut: Cut;
  readonly master: Pick<Master, "files">;
  readonly connection: DuckDBConnection;
  /** Where the file of states goes. */
  readonly statesPath: string;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

/**
 * Computes a view's states of `[0, cut)` as a run does, and nothing else of a run: nothing is archived, indexed or
 * published. Values of fields that are younger than their records are found where a run has put them. Gives how many bytes
 * were read of the columns that the view needs, compressed, each counted once. TIDEMARK_STORE_CORRUPT names a file that
 * can't be read.
 */
export async function computeStates(compute: Compute): Promise<{ readonly bytes: number }> {
  const { view, cut, master, connection, statesPath, timers, signal } = compute;
  const sources: Source[] = [];
  for (const { event } of view.mappings) {
    const files = await master.files(event.name);
    sources.push({ ...sourceOf(event, files, cut), early: await readableEarlyValues(event, files) });
  }
  const statement = compileSql(view, sources);
  const paths = sources.flatMap(({ covered, straddling, early = [] }) => [
    ...covered,
    ...straddling.map(({ path }) => path),
    ...early,
  ]);
  try {
    await runStatement(connection, copyToParquet(statement, statesPath), signal, timers);
  } catch (error) {
    signal.throwIfAborted();
    await requireReadable(connection, paths);
    throw error;
  }
  return { bytes: await columnBytes(connection, paths, await readColumns(connection, statement)) };
}
