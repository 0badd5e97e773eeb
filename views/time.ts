/** Event time is whole milliseconds since 1970-01-01T00:00:00Z, years 0001 to 9999. */

const cumulativeDays = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar. */
function epochDay(year: number, month: number, day: number): number {
  const past = year - 1;
  const leapDay = month > 2 && isLeapYear(year) ? 1 : 0;
  const leapDays = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
  return past * 365 + leapDays + (cumulativeDays[month - 1] ?? 0) + leapDay + day - 1 - 719162;
}

/** The number that `count` digits from `at` spell, or NaN where one of them is no digit. */
function digits(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * RFC 3339 date-time to milliseconds, or NaN. Written by hand because `Date.parse` takes much that is no RFC 3339
 * (`2001`, `Jan 1`) and turns 30 February into 2 March. Digits past the milliseconds are cut off; a leap second
 * (`:60`) is not accepted, since neither layer could tell it from the next minute.
 */
export function parseTime(text: string): number {
  const separator = text.charCodeAt(10) | 32;
  if (text.length < 20 || text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45 || separator !== 116) {
    return Number.NaN;
  }
  if (text.charCodeAt(13) !== 58 || text.charCodeAt(16) !== 58) return Number.NaN;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  const inRange = year >= 1 && month >= 1 && month <= 12 && hour <= 23 && minute <= 59 && second <= 59;
  if (!inRange || !(day >= 1 && day <= daysInMonth(year, month))) return Number.NaN;
  let at = 19;
  let millis = 0;
  if (text.charCodeAt(at) === 46) {
    const first = ++at;
    let scale = 100;
    for (; at < text.length; at++, scale /= 10) {
      const digit = text.charCodeAt(at) - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      if (scale >= 1) millis += digit * scale;
    }
    if (at === first) return Number.NaN;
  }
  const zone = zoneMinutes(text, at);
  const minutes = epochDay(year, month, day) * 1440 + hour * 60 + minute - zone;
  const ms = minutes * 60_000 + second * 1000 + millis;
  return ms >= minTime && ms <= maxTime ? ms : Number.NaN;
}

/** Offset from UTC in minutes of the zone designator that fills the rest of the text, or NaN. */
function zoneMinutes(text: string, at: number): number {
  const sign = text.charCodeAt(at);
  if ((sign | 32) === 122) return text.length === at + 1 ? 0 : Number.NaN;
  if ((sign !== 43 && sign !== 45) || text.length !== at + 6 || text.charCodeAt(at + 3) !== 58)
    return Number.NaN;
  const hours = digits(text, at + 1, 2);
  const minutes = digits(text, at + 4, 2);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  return (sign === 43 ? 1 : -1) * (hours * 60 + minutes);
}

export const minTime = -62135596800000; // 0001-01-01T00:00:00.000Z
export const maxTime = 253402300799999; // 9999-12-31T23:59:59.999Z

/** Whether a valid time is written as `formatTime` does, or so but without milliseconds. Goes by its form alone. */
export function isCanonicalTime(time: string): boolean {
  const isForm = time.length === 20 || (time.length === 24 && time.charCodeAt(19) === 46);
  return isForm && time.charCodeAt(10) === 84 && time.charCodeAt(time.length - 1) === 90;
}

/** Milliseconds to `2001-01-01T00:00:00.000Z`. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** A time that a measure found, if it found one, as it is shown. */
export function shownTime(ms: number | null): string | null {
  return ms === null ? null : formatTime(ms);
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms`, `30s`, `5m`, `1h`, `7d` to milliseconds; undefined for anything else, zero included. */
export function parseDuration(text: string): number | undefined {
  const match = /^([1-9]\d{0,8})(ms|s|m|h|d)$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return Number(match[1]) * (units[match[2]] ?? Number.NaN);
}
