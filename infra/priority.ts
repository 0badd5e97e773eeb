import { readdirSync, readlinkSync } from "node:fs";
import { constants, getPriority, setPriority } from "node:os";
import { basename } from "node:path";

/**
 * How far the parts of `tidemark up` give way, by so many steps of 19: queries go first, then what comes in, SQL, and the engine's
 * helpers, most of whose work is to collect what intake leaves behind, then the fold and the batch layer. On few processors who never
 * sleeps has who asks wait for it otherwise, some milliseconds each time.
 */
export const givesWay = { helpers: 10, intake: 10, sql: 10, fold: 15, batch: 15 } as const;

/** Lets this process give way to others, as far as it does not already: to rise again is not everybody's right. */
export function lowerPriority(steps: number): void {
  setPriority(Math.max(getPriority(), steps));
}

/**
 * Lets the calling thread give way to others by so many steps of 19, where the system has priorities of threads (Linux);
 * elsewhere it does nothing.
 */
export function lowerThreadPriority(steps: number): void {
  if (process.platform !== "linux") return;
  const id = Number(basename(readlinkSync("/proc/thread-self")));
  setPriority(id, Math.min(getPriority(id) + steps, constants.priority.PRIORITY_LOW));
}

/** The same for the threads that this process has by now beside its first one, and for those that they start. */
export function lowerHelpersPriority(steps: number): void {
  if (process.platform !== "linux") return;
  for (const id of readdirSync("/proc/self/task").map(Number)) {
    if (id === process.pid) continue;
    try {
      setPriority(id, Math.min(getPriority(id) + steps, constants.priority.PRIORITY_LOW));
    } catch (error) {
      // It has ended meanwhile.
      if ((error as { readonly info?: { readonly code?: string } }).info?.code !== "ESRCH") throw error;
    }
  }
}
