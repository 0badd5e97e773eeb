import { TidemarkError } from "./errors.ts";
import type { SqlParameters } from "./expression.ts";
import { parseDuration } from "./time.ts";

/**
 * How event times fall into panes. A pane is named by its first millisecond. Tumbling windows of any length start at
 * the epoch, so that panes of one hour, of one day and of seven days nest.
 */
export type Window = TumblingWindow | SessionWindow;

export interface TumblingWindow {
  readonly kind: "tumbling";
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

/** `tumbling("1h")`: panes of equal length; `500ms`, `30s`, `5m`, `1h`, `7d`. */
export function tumbling(length: string): TumblingWindow {
  const widthMs = parseDuration(length);
  if (widthMs === undefined || widthMs > longestMs) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_WINDOW",
      `tumbling("${length}"): give a whole length with its unit, such as "500ms", "30s", "5m", "1h" or "7d", at most 3660d`,
    );
  }
  return Object.freeze({ kind: "tumbling", widthMs, text: length });
}

const longestMs = 3_660 * 86_400_000;
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
  return Math.floor(time / window.widthMs) * window.widthMs;
}

/** The same as `paneOf`, as JavaScript text. */
export function paneToJs(window: Window, time: string): string {
  return `Math.floor(${time} / ${window.widthMs}) * ${window.widthMs}`;
}

/** The same as `paneOf`, as DuckDB SQL over BIGINT milliseconds: `//` rounds to zero there, so the remainder is mended. */
export function paneToSql(window: Window, timeMs: string, parameters: SqlParameters): string {
  const width = `CAST($${parameters.values.push(window.widthMs)} AS BIGINT)`;
  return `(${timeMs} - ((${timeMs} % ${width}) + ${width}) % ${width})`;
}
