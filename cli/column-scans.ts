import { availableParallelism } from "node:os";
import { Duckdb } from "../infra/duckdb.ts";
import { ColumnScans } from "../serving-layer/column-scan.ts";

/** A DuckDB in the serving process, for wide scans, which end by themselves: opened with the first of them. */
export function columnScans(temporaryFolder: string): ColumnScans {
  return new ColumnScans(() =>
    Duckdb.open({ memoryLimit: "512MB", threads: availableParallelism(), temporaryFolder }),
  );
}
