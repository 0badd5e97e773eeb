import { TidemarkError } from "../../views/errors.ts";
import { parseDuration } from "../../views/time.ts";
import type { View } from "../../views/view.ts";

/** What a live query asks for: the query itself, and how often its changes are told at most. */
export interface LiveParameters {
  /** The query string without what is said here. */
  readonly search: string;
  /** Undefined for a query that is answered once after all. */
  readonly everyMs: number | undefined;
}

export const defaultEveryMs = 100;
const mostEveryMs = 3_600_000;
/** A live page is held in memory and held against the one before. */
export const maxLiveLimit = 10_000;

/** Of parameters of rows, those that make no sense where rows go on changing. */
const others = ["cursor", "explain", "totals", "format", "asOf"];

/** Whether `readLive` could find something; nearly all queries end here. */
export function mayBeLive(search: string): boolean {
  return search.includes("live=") || search.includes("every=");
}

/** Throws TIDEMARK_QUERY_PARAMETER. */
export function readLive(view: View, search: string, leastEveryMs: number): LiveParameters {
  // Of a view with such a dimension it is a filter.
  if (view.dimensions.some(({ name }) => name === "live" || name === "every")) {
    return { search, everyMs: undefined };
  }
  const parameters = new URLSearchParams(search);
  const [live, ...more] = parameters.getAll("live");
  if (live !== undefined && (more.length > 0 || !["true", "false"].includes(live))) {
    throw parameterError(`live="${live.slice(0, 100)}": give true or false, once`);
  }
  const [every, ...moreEvery] = parameters.getAll("every");
  if (live !== "true" && every !== undefined) {
    throw parameterError("every says how often changes are told: give it together with live=true");
  }
  parameters.delete("live");
  parameters.delete("every");
  if (live !== "true") return { search: parameters.toString(), everyMs: undefined };
  for (const name of others) {
    if (parameters.has(name)) throw parameterError(`${name} can't be asked for together with live=true`);
  }
  if (Number(parameters.get("limit") ?? 0) > maxLiveLimit) {
    throw parameterError(`limit=${parameters.get("limit")}: with live=true it is ${maxLiveLimit} at most`);
  }
  const everyMs = every === undefined ? Math.max(defaultEveryMs, leastEveryMs) : parseDuration(every);
  if (everyMs === undefined || moreEvery.length > 0 || everyMs < leastEveryMs || everyMs > mostEveryMs) {
    throw parameterError(
      `every="${every?.slice(0, 100)}": give a duration such as "1s" from ${leastEveryMs}ms to 1h, once`,
    );
  }
  return { search: parameters.toString(), everyMs };
}

function parameterError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_QUERY_PARAMETER", message);
}
