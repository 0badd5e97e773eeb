/** What clocks show, by Intl and by counting days. Shares no code with `views/`. */

export interface Clock {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** Monday is 1. */
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const numeric = { year: "numeric", month: "numeric", day: "numeric", era: "short" } as const;
    const time = { hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" } as const;
    format = new Intl.DateTimeFormat("en", { ...numeric, ...time, weekday: "short", timeZone });
    formats.set(timeZone, format);
  }
  return format;
}

const weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/** After 2099 clocks go on as they stand then. */
const latest = Date.parse("2099-12-31T00:00:00.000Z");

export function clockAt(ms: number, zone: string): Clock {
  if (ms > latest && zone !== "UTC") return clockAt(ms + offsetAt(latest, zone), "UTC");
  const texts = new Map(
    formatOf(zone)
      .formatToParts(ms)
      .map(({ type, value }) => [type as string, value]),
  );
  const part = (name: string) => Number(texts.get(name));
  const year = texts.get("era") === "BC" ? 1 - part("year") : part("year");
  const weekday = weekdays.indexOf(texts.get("weekday") ?? "") + 1;
  return {
    ...{ year, month: part("month"), day: part("day"), weekday },
    ...{ hour: part("hour"), minute: part("minute"), second: part("second") },
  };
}

function offsetAt(ms: number, zone: string): number {
  const { year, month, day, hour, minute, second } = clockAt(ms, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - ms;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** `2001-01-31`; a week begins with its Monday. */
export function firstDayAt(clock: Clock, unit: string): string {
  let { year, month, day } = clock;
  if (unit === "year") month = 1;
  if (unit === "year" || unit === "month") day = 1;
  for (let back = unit === "week" ? clock.weekday - 1 : 0; back > 0; back--) {
    day--;
    if (day > 0) continue;
    month = month === 1 ? 12 : month - 1;
    if (month === 12) year--;
    day = daysIn(year, month);
  }
  const digits = (n: number, width: number) => String(n).padStart(width, "0");
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
}
