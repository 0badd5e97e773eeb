import { TimeExpression } from "./typed.ts";

/** The event's own time, which its window goes by too. */
export function eventTime(): TimeExpression {
  return new TimeExpression({ kind: "eventTime", type: "time", nullable: false });
}
