import { localTime } from "./expressions/time.ts";
import type { Zone } from "./zone.ts";

/** Days, weeks and months as the clocks of a zone show them. Weeks begin on Monday. */
export interface Calendar {
  readonly unit: CalendarUnit;
  readonly zone: Zone;
}

export type CalendarUnit = "day" | "week" | "month";

export const dayMs = 86_400_000;
/** 1970-01-05, a Monday. */
const firstMonday = 4 * dayMs;

/** The first midnight of the unit that holds what a clock shows, both as if they were UTC. */
const truncated: Readonly<Record<CalendarUnit, (localMs: number) => number>> = {
  day: (ms) => Math.floor(ms / dayMs) * dayMs,
  week: (ms) => Math.floor((ms - firstMonday) / (7 * dayMs)) * 7 * dayMs + firstMonday,
  month: (ms) => new Date(truncated.day(ms)).setUTCDate(1),
};

/**
 * The pane that holds `time`: the midnight that its first day begins with, as if that were UTC. So panes are whole days apart,
 * whatever the clocks do, and a day of 23 hours is a pane like another.
 */
export function calendarPane({ unit, zone }: Calendar, time: number): number {
  return truncated[unit](localTime(zone)(time));
}

/** The pane that holds what a clock shows, or a pane of days of the same zone. */
export function calendarPaneOf(unit: CalendarUnit, localMs: number): number {
  return truncated[unit](localMs);
}

/** The same as `calendarPane`, as DuckDB SQL over what a clock shows in BIGINT milliseconds. */
export function calendarPaneSql(unit: CalendarUnit, localMs: string): string {
  const back = (width: number, first: number) =>
    `(${localMs} - (((${localMs} - ${first}) % ${width}) + ${width}) % ${width})`;
  if (unit === "day") return back(dayMs, 0);
  if (unit === "week") return back(7 * dayMs, firstMonday);
  return `epoch_ms(CAST(date_trunc('month', epoch_ms(${localMs})) AS TIMESTAMP))`;
}

/**
 * The first instant of a pane: its midnight, the first of two if clocks are put back at it, or the moment at which clocks are
 * put forward past it. A pane that a zone passed over altogether begins where its midnight would have been.
 */
export function calendarStart(calendar: Calendar, pane: number): number {
  const { starts, offsetsMs } = calendar.zone;
  const midnights = [...new Set(offsetsMs)].map((offset) => pane - offset);
  const changes = starts.filter((start) => Math.abs(start - pane) < 2 * dayMs);
  const inPane = [...midnights, ...changes].filter((time) => calendarPane(calendar, time) === pane);
  return inPane.length > 0 ? Math.min(...inPane) : pane - (offsetsMs.at(-1) ?? 0);
}

/** The pane after this one. */
export function nextCalendarPane({ unit }: Calendar, pane: number): number {
  if (unit !== "month") return pane + (unit === "day" ? 1 : 7) * dayMs;
  return truncated.month(pane + 31 * dayMs);
}
