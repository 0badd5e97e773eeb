import type { DuckDBConnection } from "@duckdb/node-api";
import { TidemarkError } from "../../views/errors.ts";

/**
 * Reads every value of the files: TIDEMARK_STORE_CORRUPT names the first that can't be read, which DuckDB's own error does
 * not always do.
 */
export async function requireReadable(connection: DuckDBConnection, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await connection.run("SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet($1)", [path]);
    } catch (cause) {
      throw unreadable(path, cause);
    }
  }
}

export function unreadable(path: string, cause: unknown): TidemarkError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new TidemarkError("TIDEMARK_STORE_CORRUPT", `"${path}" can't be read: ${message}`, { cause });
}
