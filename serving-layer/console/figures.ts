import type { AnswerValue } from "./answers.ts";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const broken = new Intl.NumberFormat("en", { maximumSignificantDigits: 6 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export function formatCount(count: number): string {
  return whole.format(count);
}

/** For where there is little room: 1.49M. */
export function formatShort(count: number): string {
  return Math.abs(count) < 10_000 ? whole.format(count) : short.format(count);
}

export function formatRate(perSecond: number): string {
  return `${perSecond < 10 && perSecond > 0 ? perSecond.toFixed(1) : formatShort(Math.round(perSecond))}/s`;
}

export function formatValue(value: AnswerValue | undefined): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return Number.isInteger(value) ? whole.format(value) : broken.format(value);
  if (typeof value === "string" && isTime(value)) return formatTime(value);
  if (typeof value === "object") return `${value.length} bins`;
  return String(value);
}

/** Seconds show where there are some. */
export function formatTime(time: string): string {
  return time.replace("T", " ").replace(/(:00)?(\.\d+)?Z$/, "");
}

/** Times of which all are midnights are dates. */
export function formatTimes(times: readonly string[]): readonly string[] {
  const areDates = times.every((time) => time.endsWith("T00:00:00.000Z"));
  return times.map((time) => (areDates ? time.slice(0, 10) : formatTime(time)));
}

export function isTime(value: unknown): value is string {
  return typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value);
}

/** A measure's value as a number to draw; undefined for what is none. */
export function numberOf(value: AnswerValue | undefined): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || !/^-?\d+(\.\d+)?$/.test(value)) return undefined;
  return Number(value);
}

export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 && !Number.isInteger(seconds) ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

export function formatAge(time: string, now = Date.now()): string {
  const seconds = Math.round((now - Date.parse(time)) / 1_000);
  if (seconds < 2) return "just now";
  if (seconds < 100) return `${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${Math.round(hours / 24)} days ago`;
}
