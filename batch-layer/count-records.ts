import type { DuckDBConnection } from "@duckdb/node-api";
import type { Timers } from "../infra/timers.ts";
import type { Source } from "./source.ts";
import { countSql } from "./sql.ts";
import { runStatement, type Statement } from "./statement.ts";

export interface Countable {
  readonly sources: readonly Source[];
  readonly connection: DuckDBConnection;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

/** How many records the sources have, duplicates included. */
export type CountRecords = (of: Countable) => Promise<number>;

/** What several views of a run are made from is counted once. */
export function countingOnce(): CountRecords {
  const counts = new Map<string, Promise<number>>();
  return (of) => {
    const statement = countSql(of.sources);
    const key = JSON.stringify(statement);
    const count = counts.get(key) ?? countRecords(statement, of);
    counts.set(key, count);
    return count;
  };
}

async function countRecords(
  statement: Statement,
  { connection, signal, timers }: Omit<Countable, "sources">,
): Promise<number> {
  const counted = await runStatement(connection, statement, signal, timers);
  const [[records = 0] = []] = await counted.getRows();
  return Number(records);
}
