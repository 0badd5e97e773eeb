import { readlinkSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";
import { basename } from "node:path";

/** Lets this process give way to others, as far as it does not already: to rise again is not everybody's right. */
export function lowerPriority(): void {
  setPriority(Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
}

/**
 * How far the threads of `tidemark up` give way: queries go first, then what comes in, then the fold, then the batch layer. On
 * few processors a thread that never sleeps has who asks wait for it otherwise, some milliseconds each time.
 */
export const threadPriority = { intake: 5, fold: 9 } as const;

/**
 * Lets the calling thread give way to others by so many steps of 19, where the system has priorities of threads (Linux);
 * elsewhere it does nothing.
 */
export function lowerThreadPriority(steps: number): void {
  if (process.platform !== "linux") return;
  const id = Number(basename(readlinkSync("/proc/thread-self")));
  setPriority(id, Math.min(getPriority(id) + steps, constants.priority.PRIORITY_LOW));
}
