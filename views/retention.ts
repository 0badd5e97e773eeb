import type { EventType } from "./event.ts";
import { formatTime, minTime, parseDuration } from "./time.ts";

const dayMs = 86_400_000;

/** `keep` of an event type in milliseconds; undefined for what is no length of time of a day at least. */
export function parseKeep(keep: string): number | undefined {
  const ms = parseDuration(keep);
  return ms !== undefined && ms >= dayMs ? ms : undefined;
}

/**
 * The event time before which facts of the type are not kept any more, RFC 3339: a midnight of UTC, so that it moves once a
 * day, and no fact leaves before its time. Undefined: all are kept.
 */
export function horizonOf({ keep }: Pick<EventType, "keep">, nowMs: number): string | undefined {
  const keepMs = keep === null ? undefined : parseKeep(keep);
  if (keepMs === undefined) return undefined;
  const horizon = Math.floor((nowMs - keepMs) / dayMs) * dayMs;
  return horizon > minTime ? formatTime(horizon) : undefined;
}
