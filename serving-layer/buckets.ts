import { type Calendar, calendarPane, calendarPaneOf } from "../views/calendar.ts";
import { TidemarkError } from "../views/errors.ts";
import { formatTime } from "../views/time.ts";
import type { WindowDimension } from "../views/view.ts";
import { type CalendarWindow, paneOf, type TumblingWindow, type Window } from "../views/window.ts";
import { nextProbe } from "../views/zone.ts";
import { obstaclesOf, wayOut } from "./obstacles.ts";

/**
 * The bucket that a pane of the view lies in, or the start of a session. Throws TIDEMARK_QUERY_GRANULARITY for a pane that
 * lies in several: which of its records are in which is not known.
 */
export function bucketing(
  panes: WindowDimension | undefined,
  buckets: Window | undefined,
): (pane: number) => number {
  if (panes === undefined || buckets === undefined) return () => 0;
  const { window } = panes;
  // Windows that overlap are in no others.
  if (window === buckets || window.kind === "sliding") return (pane) => pane;
  if (buckets.kind !== "calendar" || window.kind === "session") return (pane) => paneOf(buckets, pane);
  if (window.kind === "calendar") return (pane) => calendarPaneOf(buckets.calendar.unit, pane);
  return ofZone(panes.name, window, buckets);
}

/** Clocks show ever later times but where they are changed, so that a pane without a change lies where its two ends do. */
function ofZone(name: string, panes: TumblingWindow, buckets: CalendarWindow): (pane: number) => number {
  const { calendar } = buckets;
  const { widthMs } = panes;
  const divided = new Set(dividedByChanges(calendar, widthMs));
  return (pane) => {
    const bucket = calendarPane(calendar, pane);
    if (calendarPane(calendar, pane + widthMs - 1) === bucket && !divided.has(pane)) return bucket;
    const obstacles = obstaclesOf(calendar, widthMs, pane, Number.POSITIVE_INFINITY);
    throw new TidemarkError(
      "TIDEMARK_QUERY_GRANULARITY",
      `granularity=${buckets.text} with tz=${calendar.zone.name} can't be answered exactly: the pane of ${name} at ${formatTime(pane)}, which is ${panes.text} long, lies partly in one ${calendar.unit} there and partly in another; ${wayOut(obstacles, widthMs, nextProbe)}`,
    );
  };
}

/** The panes in which clocks are changed from one bucket to another. */
function dividedByChanges(calendar: Calendar, widthMs: number): readonly number[] {
  return calendar.zone.starts
    .filter((start) => start % widthMs !== 0)
    .filter((start) => calendarPane(calendar, start - 1) !== calendarPane(calendar, start))
    .map((start) => Math.floor(start / widthMs) * widthMs);
}
