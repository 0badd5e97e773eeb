import {
  type Calendar,
  type CalendarUnit,
  calendarPane,
  calendarPaneSql,
  calendarStart,
  dayMs,
  nextCalendarPane,
} from "./calendar.ts";
import { TidemarkError } from "./errors.ts";
import type { JsScope, SqlParameters } from "./expression.ts";
import { clock } from "./expressions/time.ts";
import { parseDuration } from "./time.ts";
import { zoneOf } from "./zone.ts";

/**
 * How event times fall into panes. A pane is named by its first millisecond. Tumbling windows of any length start at
 * the epoch, so that panes of one hour, of one day and of seven days nest.
 */
export type Window = TumblingWindow | CalendarWindow | SlidingWindow | SessionWindow;

export interface TumblingWindow {
  readonly kind: "tumbling";
  readonly widthMs: number;
  readonly text: string;
}

/** Panes are days, weeks or months in a zone, named by a midnight of its clocks and `widthMs`, a day, apart or some of these. */
export interface CalendarWindow {
  readonly kind: "calendar";
  readonly calendar: Calendar;
  readonly widthMs: number;
  readonly text: string;
}

/**
 * Rows are windows of `lengthMs` that overlap: one begins every `widthMs`. States are kept in panes of `widthMs`, as those of
 * a tumbling window; see `sliding-rows.ts`.
 */
export interface SlidingWindow {
  readonly kind: "sliding";
  readonly lengthMs: number;
  readonly widthMs: number;
  readonly text: string;
}

/**
 * Rows are sessions: the records of one key of which each comes within the gap of the one before it, by event time. Their
 * states are kept in panes of `widthMs`; see `session-pieces.ts`.
 */
export interface SessionWindow {
  readonly kind: "session";
  readonly gapMs: number;
  readonly widthMs: number;
  readonly text: string;
}

export interface InZone {
  /** IANA name of the zone whose days, weeks or months they are. Default UTC. */
  readonly tz?: string;
}

/**
 * `tumbling("1h")`: panes of equal length; `500ms`, `30s`, `5m`, `1h`, `7d`. `tumbling("1d", { tz: "America/Chicago" })`:
 * days as clocks there show them, of 23 and 25 hours too; so `1w`, from Monday, and `1mo`.
 */
export function tumbling(length: string, { tz = "UTC" }: InZone = {}): TumblingWindow | CalendarWindow {
  const unit = calendarUnits[length];
  if (unit !== undefined && (length !== "1d" || tz !== "UTC")) {
    const calendar = Object.freeze({ unit, zone: zoneOf(tz) });
    return Object.freeze({ kind: "calendar", calendar, widthMs: dayMs, text: length });
  }
  const widthMs = parseDuration(length);
  if (widthMs === undefined || widthMs > longestMs) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_WINDOW",
      `tumbling("${length}"): give a whole length with its unit, such as "500ms", "30s", "5m", "1h" or "7d", at most 3660d, or "1w" or "1mo"`,
    );
  }
  if (tz !== "UTC") {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_WINDOW",
      `tumbling("${length}", { tz: "${tz}" }): only days, weeks and months depend on the zone: give "1d", "1w" or "1mo", or leave tz out`,
    );
  }
  return Object.freeze({ kind: "tumbling", widthMs, text: length });
}

export const calendarUnits: Readonly<Record<string, CalendarUnit>> = {
  "1d": "day",
  "1w": "week",
  "1mo": "month",
};
const longestMs = 3_660 * 86_400_000;
const panesPerWindow = 1_000;

/** `sliding("1h", { every: "5m" })`: a row for each hour that begins at a multiple of five minutes. */
export function sliding(length: string, { every }: { readonly every: string }): SlidingWindow {
  const [lengthMs, widthMs] = [parseDuration(length), parseDuration(every)];
  const refused = (reason: string) =>
    new TidemarkError(
      "TIDEMARK_DECLARATION_WINDOW",
      `sliding("${length}", { every: "${every}" }): ${reason}`,
    );
  if (lengthMs === undefined || widthMs === undefined || lengthMs > longestMs) {
    throw refused(
      'give two whole lengths with their units, such as sliding("1h", { every: "5m" }), at most 3660d; weeks and months of a calendar can\'t slide',
    );
  }
  if (lengthMs % widthMs !== 0) {
    throw refused(
      "the length must be a multiple of every, since windows are put together from panes of that length",
    );
  }
  if (lengthMs / widthMs > panesPerWindow) {
    throw refused(
      `every window would be put together from ${lengthMs / widthMs} panes; give a longer every, at most ${panesPerWindow} panes a window`,
    );
  }
  return Object.freeze({ kind: "sliding", lengthMs, widthMs, text: `${length} every ${every}` });
}

/** So that a pane holds 48 pieces of sessions at most: a gap of half an hour makes panes of a day. */
const gapsPerPane = 48;

/** `session("30m")`: a record within the gap of another of its key, the gap itself included, is of one session with it. */
export function session(gap: string): SessionWindow {
  const gapMs = parseDuration(gap);
  if (gapMs === undefined || gapMs * gapsPerPane > longestMs) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_WINDOW",
      `session("${gap}"): give a whole length with its unit, such as "30s", "30m" or "1d", at most 76d`,
    );
  }
  return Object.freeze({ kind: "session", gapMs, widthMs: gapMs * gapsPerPane, text: gap });
}

/** The pane that holds `time`. Division rounds down, before 1970 too. */
export function paneOf(window: Window, time: number): number {
  if (window.kind === "calendar") return calendarPane(window.calendar, time);
  return Math.floor(time / window.widthMs) * window.widthMs;
}

/** The first instant of a pane: its name, but for days of a zone. */
export function startOf(window: Window, pane: number): number {
  return window.kind === "calendar" ? calendarStart(window.calendar, pane) : pane;
}

/** The pane after this one, if there is one at all. */
export function paneAfter(window: Window, pane: number): number {
  return window.kind === "calendar" ? nextCalendarPane(window.calendar, pane) : pane + window.widthMs;
}

/** The same as `paneOf`, as JavaScript text. */
export function paneToJs(window: Window, time: string, scope: Pick<JsScope, "constant">): string {
  if (window.kind !== "calendar") return `Math.floor(${time} / ${window.widthMs}) * ${window.widthMs}`;
  const { calendar } = window;
  return `${scope.constant((ms: number) => calendarPane(calendar, ms))}(${time})`;
}

/** The same as `paneOf`, as DuckDB SQL over BIGINT milliseconds: `//` rounds to zero there, so the remainder is mended. */
export function paneToSql(window: Window, timeMs: string, parameters: SqlParameters): string {
  if (window.kind === "calendar") {
    const { unit, zone } = window.calendar;
    return calendarPaneSql(unit, clock(zone).sql([timeMs]));
  }
  const width = `CAST($${parameters.values.push(window.widthMs)} AS BIGINT)`;
  return `(${timeMs} - ((${timeMs} % ${width}) + ${width}) % ${width})`;
}
