import { readlinkSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";
import { basename } from "node:path";

/** As `nice` counts: of two that want one processor, a third for the one that is five behind, a tenth for ten. */
const [behind, belowNormal, least] = [5, constants.priority.PRIORITY_BELOW_NORMAL, 19] as const;

/** Lets this process give way to others, as far as it does not already. */
export function lowerPriority(): void {
  setPriority(Math.max(getPriority(), belowNormal));
}

/**
 * Lets this thread give way to the others of its process where processors are few. Linux alone has priorities of single threads;
 * there the thread that asks is the one that is told its number.
 */
export function lowerThreadPriority(): void {
  if (process.platform !== "linux") return;
  const own = Number(basename(readlinkSync("/proc/thread-self")));
  setPriority(own, Math.min(getPriority(own) + behind, least));
}
