import { dayMs } from "../views/calendar.ts";
import { TidemarkError } from "../views/errors.ts";
import { parseDuration } from "../views/time.ts";
import type { View, WindowDimension } from "../views/view.ts";
import {
  type CalendarWindow,
  calendarUnits,
  type SessionWindow,
  type TumblingWindow,
  tumbling,
  type Window,
} from "../views/window.ts";
import { nextProbe, type Zone, zoneOf } from "../views/zone.ts";
import { obstaclesOf, wayOut } from "./obstacles.ts";
import type { Range } from "./range.ts";

/**
 * The buckets that `granularity` and `tz` ask for: panes of the view, or what these can be rolled up into exactly. Undefined
 * without granularity. Throws TIDEMARK_QUERY_GRANULARITY, or TIDEMARK_QUERY_PARAMETER for `tz`, saying which would do.
 */
export function readBuckets(
  view: View,
  text: string | undefined,
  tz: string | undefined,
  range: Range,
): Window | "all" | undefined {
  const zone = tz === undefined ? undefined : readZone(tz);
  const own = view.window?.window;
  if (own?.kind === "calendar") refuseOtherZone(view, own, zone);
  else if (zone !== undefined && zone.name !== "UTC" && unitOf(text) === undefined) {
    throw new TidemarkError(
      "TIDEMARK_QUERY_PARAMETER",
      `tz=${zone.name}: only days, weeks and months depend on the zone: give granularity=1d, 1w or 1mo with it, or leave tz out or give UTC`,
    );
  }
  if (text === undefined || (text === "all" && own?.kind !== "sliding")) return text;
  if (view.window === undefined || own === undefined) {
    throw granularityError(
      `view "${view.name}" has no window to roll up: leave out granularity, or give "all"`,
    );
  }
  if (own.kind === "calendar") return readCalendar(view, own, text);
  if (own.kind === "sliding") {
    if (parseDuration(text) === own.widthMs) return own;
    throw overlapping(view.window, `granularity="${text.slice(0, 100)}" won't do`);
  }
  if (unitOf(text) !== undefined && (text !== "1d" || (zone !== undefined && zone.name !== "UTC"))) {
    const buckets = tumbling(text, { tz: zone?.name ?? "UTC" });
    if (buckets.kind === "calendar") refuseUneven(view.window, buckets, range);
    return buckets;
  }
  return readLength(view, own, text);
}

function unitOf(text: string | undefined) {
  return text === undefined || !Object.hasOwn(calendarUnits, text) ? undefined : calendarUnits[text];
}

/** By the name that Intl writes, so that there are no more zones in memory than there are. */
function readZone(tz: string): Zone {
  try {
    const { timeZone } = new Intl.DateTimeFormat("en", { timeZone: tz }).resolvedOptions();
    return zoneOf(timeZone);
  } catch {
    throw new TidemarkError(
      "TIDEMARK_QUERY_PARAMETER",
      `tz="${tz.slice(0, 100)}" is no time zone: give the name of an IANA zone, such as "Europe/Berlin", or "UTC"`,
    );
  }
}

function refuseOtherZone(view: View, { calendar, text }: CalendarWindow, zone: Zone | undefined): void {
  if (zone === undefined || zone.hash === calendar.zone.hash) return;
  throw new TidemarkError(
    "TIDEMARK_QUERY_PARAMETER",
    `tz=${zone.name} won't do: view "${view.name}" has panes of ${text} of ${calendar.zone.name}, which can't be told apart by other midnights; leave tz out, or ask a view with panes of hours`,
  );
}

/** Days make weeks and months of their zone; weeks make no months. */
function readCalendar(view: View, own: CalendarWindow, text: string): Window {
  if (text === own.text) return own;
  if (own.calendar.unit === "day" && unitOf(text) !== undefined) {
    return tumbling(text, { tz: own.calendar.zone.name });
  }
  const wider = own.calendar.unit === "day" ? `"1w", "1mo", ` : "";
  throw granularityError(
    `granularity="${text.slice(0, 100)}" won't do: view "${view.name}" has calendar panes of ${own.text}; give ${wider}"all", or leave it out for a row of each`,
  );
}

/** Of a range that is open to the past, the rules of the year before its end count here; former ones where there are records. */
function refuseUneven({ name, window }: WindowDimension, buckets: CalendarWindow, { from, to }: Range): void {
  if (window.kind !== "tumbling") return;
  const { calendar, text } = buckets;
  const { widthMs, text: width } = window;
  const { zone } = calendar;
  const asked = zone.name === "UTC" ? `granularity=${text}` : `granularity=${text} with tz=${zone.name}`;
  if (dayMs % widthMs !== 0) {
    throw granularityError(
      `${asked} can't be answered exactly: a day is no multiple of the panes of ${name}, which are ${width} long; give a multiple of that such as "${width}", or "all", or declare the view with panes that divide a day, such as 1h`,
    );
  }
  const next = to ?? Number.POSITIVE_INFINITY;
  const obstacles = obstaclesOf(calendar, widthMs, from ?? Math.min(next, nextProbe) - 366 * dayMs, next);
  const [first] = obstacles;
  if (first === undefined) return;
  throw granularityError(
    `${asked} can't be answered exactly: ${first.reason}, so that a ${calendar.unit} begins inside a pane of ${name}, which is ${width} long; ${wayOut(obstacles, widthMs, next)}`,
  );
}

function readLength(view: View, own: TumblingWindow | SessionWindow, text: string): Window {
  const { widthMs, text: width } = own;
  const ms = parseDuration(text);
  if (ms !== undefined && ms % widthMs === 0 && ms <= 3_660 * dayMs) {
    return own.kind === "tumbling" && ms === widthMs ? own : tumbling(text);
  }
  if (own.kind === "session") {
    throw granularityError(
      `granularity="${text.slice(0, 100)}" won't do: give a duration such as "1h" or "1d", at most 3660d, into which sessions fall by their start, "1w", "1mo" or "all"; without it each session has its row`,
    );
  }
  const day = dayMs % widthMs === 0 && widthMs < dayMs ? ', "1d"' : "";
  const calendar = dayMs % widthMs === 0 ? `, "1w", "1mo"` : "";
  throw granularityError(
    `granularity="${text.slice(0, 100)}" won't do: view "${view.name}" has panes of ${width}; give a multiple of that such as "${width}"${day}, at most 3660d${calendar}, or "all"`,
  );
}

function granularityError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_QUERY_GRANULARITY", message);
}

/** Windows that overlap can't be rolled up into one. */
export function overlapping({ name }: WindowDimension, what: string): TidemarkError {
  return granularityError(
    `${what}: windows of "${name}" overlap, so that rolled up an event would count several times; ask for a row of each window, with "${name}" in groupBy and without granularity, or declare a view with tumbling windows to roll up`,
  );
}
