import { totalmem } from "node:os";

/** Of the container, where there is one with a limit. */
export function memoryBytes(): number {
  return Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
}
