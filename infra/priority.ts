import { constants, getPriority, setPriority } from "node:os";

/** Lets this process give way to others, as far as it does not already: to rise again is not everybody's right. */
export function lowerPriority(): void {
  setPriority(Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL));
}
