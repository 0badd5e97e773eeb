import { TidemarkError } from "../views/errors.ts";
import { formatTime, maxTime, minTime, parseDuration, parseTime } from "../views/time.ts";
import type { View, WindowDimension } from "../views/view.ts";
import { paneAfter, paneOf, startOf } from "../views/window.ts";

/** `[from, to)`, both as panes; undefined is open. */
export interface Range {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/** Throws TIDEMARK_QUERY_RANGE naming what would be right. */
export function readRange(view: View, from: string | undefined, to: string | undefined): Range {
  if (from === undefined && to === undefined) return { from: undefined, to: undefined };
  if (view.window === undefined) {
    throw rangeError(`view "${view.name}" has no window, so its rows have no time: leave out from and to`);
  }
  const range = {
    from: from === undefined ? undefined : readBoundary(view.window, "from", from),
    to: to === undefined ? undefined : readBoundary(view.window, "to", to),
  };
  if (range.from !== undefined && range.to !== undefined && range.from > range.to) {
    throw rangeError(
      `from=${from} is after to=${to}: a range is [from, to), from the earlier to the later time`,
    );
  }
  return range;
}

function readBoundary(window: WindowDimension, name: "from" | "to", text: string): number {
  const time = readTime(text);
  if (Number.isNaN(time)) {
    const plus = text.includes(" ") ? '; in a URL "+" is written %2B' : "";
    throw rangeError(
      `${name}="${text.slice(0, 100)}" is no time: give RFC 3339 (2001-01-31T06:00:00Z), a date (2001-01-31) or milliseconds since 1970${plus}`,
    );
  }
  const { text: width } = window.window;
  const pane = paneOf(window.window, time);
  const before = startOf(window.window, pane);
  if (before !== time) {
    const after = startOf(window.window, paneAfter(window.window, pane));
    const nearest = [before, after].filter((ms) => ms >= minTime && ms <= maxTime + 1);
    throw rangeError(
      `${name}=${text} ${window.window.kind === "sliding" ? `is no start of a window of ${window.name}, which is ${width}` : `lies inside a pane of ${window.name}, which is ${width} long`}; the nearest boundaries are ${nearest.map(formatBoundary).join(" and ")}`,
    );
  }
  return pane;
}

/** The first instant of year 10000 may end a range, though no event can lie there. */
function formatBoundary(ms: number): string {
  return ms > maxTime ? String(ms) : formatTime(ms);
}

/** RFC 3339 date-time, date or epoch milliseconds to milliseconds, or NaN. */
function readTime(text: string): number {
  if (/^-?\d{1,16}$/.test(text)) {
    const ms = Number(text);
    return ms >= minTime && ms <= maxTime + 1 ? ms + 0 : Number.NaN;
  }
  return parseTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
}

function rangeError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_QUERY_RANGE", message);
}

/** Milliseconds of a bucket, a multiple of the pane; throws TIDEMARK_QUERY_GRANULARITY saying which would do. */
export function readGranularity(view: View, text: string): number | "all" {
  if (view.window?.window.kind === "sliding" && parseDuration(text) !== view.window.window.widthMs) {
    throw overlapping(view.window, `granularity="${text.slice(0, 100)}" won't do`);
  }
  if (text === "all") return "all";
  if (view.window === undefined) {
    throw new TidemarkError(
      "TIDEMARK_QUERY_GRANULARITY",
      `view "${view.name}" has no window to roll up: leave out granularity, or give "all"`,
    );
  }
  const { kind, widthMs, text: width } = view.window.window;
  if (kind === "calendar" && text === width) return widthMs;
  const ms = parseDuration(text);
  if (kind === "calendar" || ms === undefined || ms % widthMs !== 0 || ms > 3_660 * 86_400_000) {
    if (view.window.window.kind === "calendar") {
      const { text: length } = view.window.window;
      throw new TidemarkError(
        "TIDEMARK_QUERY_GRANULARITY",
        `granularity="${text.slice(0, 100)}" won't do: view "${view.name}" has calendar panes of ${length}; give "all", or leave it out for a row of each`,
      );
    }
    if (view.window.window.kind === "session") {
      throw new TidemarkError(
        "TIDEMARK_QUERY_GRANULARITY",
        `granularity="${text.slice(0, 100)}" won't do: give a duration such as "1h" or "1d", at most 3660d, into which sessions fall by their start, or "all"; without it each session has its row`,
      );
    }
    const day = 86_400_000 % widthMs === 0 && widthMs < 86_400_000 ? ', "1d"' : "";
    throw new TidemarkError(
      "TIDEMARK_QUERY_GRANULARITY",
      `granularity="${text.slice(0, 100)}" won't do: view "${view.name}" has panes of ${width}; give a multiple of that such as "${width}"${day}, at most 3660d, or "all"`,
    );
  }
  return ms;
}

/** Windows that overlap can't be rolled up into one. */
export function overlapping({ name }: WindowDimension, what: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_QUERY_GRANULARITY",
    `${what}: windows of "${name}" overlap, so that rolled up an event would count several times; ask for a row of each window, with "${name}" in groupBy and without granularity, or declare a view with tumbling windows to roll up`,
  );
}
