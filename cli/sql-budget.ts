import { availableParallelism } from "node:os";
import type { SqlBudget } from "../serving-layer/sql/limits.ts";
import { memoryBytes } from "./memory.ts";

const megabyte = 1024 ** 2;

/** What the SQL process may take: an eighth of the memory for DuckDB, and half of that and half a gigabyte for all else. */
export function sqlBudget(): SqlBudget {
  const share = Math.floor(memoryBytes() / 8 / megabyte);
  const megabytes = Math.min(2_048, Math.max(256, share));
  return {
    memoryLimit: `${megabytes}MB`,
    processBytes: (megabytes * 1.5 + 512) * megabyte,
    temporaryLimit: "2GB",
    threads: Math.max(1, availableParallelism() - 1),
  };
}
