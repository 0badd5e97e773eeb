import { TidemarkError } from "../views/errors.ts";
import { formatTime, maxTime, minTime, parseTime } from "../views/time.ts";
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
export function readTime(text: string): number {
  if (/^-?\d{1,16}$/.test(text)) {
    const ms = Number(text);
    return ms >= minTime && ms <= maxTime + 1 ? ms + 0 : Number.NaN;
  }
  return parseTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
}

function rangeError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_QUERY_RANGE", message);
}
