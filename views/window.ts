import { TidemarkError } from "./errors.ts";
import type { SqlParameters } from "./expression.ts";
import { parseDuration } from "./time.ts";

/**
 * How event times fall into panes. A pane is named by its first millisecond. Tumbling windows of any length start at
 * the epoch, so that panes of one hour, of one day and of seven days nest.
 */
export interface Window {
  readonly kind: "tumbling";
  readonly widthMs: number;
  readonly text: string;
}

/** `tumbling("1h")`: panes of equal length; `500ms`, `30s`, `5m`, `1h`, `7d`. */
export function tumbling(length: string): Window {
  const widthMs = parseDuration(length);
  if (widthMs === undefined || widthMs > 3_660 * 86_400_000) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_WINDOW",
      `tumbling("${length}"): give a whole length with its unit, such as "500ms", "30s", "5m", "1h" or "7d", at most 3660d`,
    );
  }
  return Object.freeze({ kind: "tumbling", widthMs, text: length });
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
