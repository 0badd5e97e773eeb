import { type Calendar, calendarPane, dayMs } from "../views/calendar.ts";
import { formatTime } from "../views/time.ts";
import { nextProbe } from "../views/zone.ts";

/** Why the days of a zone begin inside panes for a time. */
export interface Obstacle {
  readonly reason: string;
  /** Panes that divide it would do. */
  readonly lengthMs: number;
  /** First instant at which it is over. */
  readonly next: number;
}

/** Those in `[from, to)`, in order of time, for panes that divide a day: offsets they don't divide, and changes past midnight. */
export function obstaclesOf(
  calendar: Calendar,
  widthMs: number,
  from: number,
  to: number,
): readonly Obstacle[] {
  const { starts, offsetsMs } = calendar.zone;
  const obstacles: Obstacle[] = [];
  offsetsMs.forEach((offset, i) => {
    const start = starts[i - 1] ?? Number.NEGATIVE_INFINITY;
    const next = starts[i] ?? Number.POSITIVE_INFINITY;
    if (start >= to || next <= from) return;
    // At a midnight both are said by the offsets.
    const isFromOneToAnother =
      start > from && calendarPane(calendar, start - 1) !== calendarPane(calendar, start);
    if (isFromOneToAnother && start % widthMs !== 0) {
      const reason = `clocks there are changed at ${formatTime(start)}`;
      obstacles.push({ reason, lengthMs: Math.abs(start % dayMs), next: start });
    }
    if (offset % widthMs !== 0) {
      obstacles.push({ reason: `clocks there are ${offsetText(offset)} from UTC`, lengthMs: offset, next });
    }
  });
  return obstacles;
}

/** What would do in place of panes of this width; `obstacles` are all up to `to`. */
export function wayOut(obstacles: readonly Obstacle[], widthMs: number, to: number): string {
  const fitting = obstacles.reduce((width, { lengthMs }) => divisor(width, Math.abs(lengthMs)), widthMs);
  const over = Math.ceil(Math.max(...obstacles.map(({ next }) => next)) / widthMs) * widthMs;
  // What the rules are at the end of their table is a guess.
  const since =
    over < Math.min(to, nextProbe - 366 * dayMs) ? `give from=${formatTime(over)} or later, ` : "";
  return `${since}leave tz out for days of UTC, or declare the view with panes of ${lengthText(fitting)}`;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** `+05:30`; with seconds if there are some. */
function offsetText(offsetMs: number): string {
  const [hours, minutes, seconds] = [3_600_000, 60_000, 1_000].map((unit, i) =>
    String(Math.floor(Math.abs(offsetMs) / unit) % (i === 0 ? 24 : 60)).padStart(2, "0"),
  );
  return `${offsetMs < 0 ? "-" : "+"}${hours}:${minutes}${seconds === "00" ? "" : `:${seconds}`}`;
}

function lengthText(ms: number): string {
  const unit = lengths.find((length) => ms % length.ms === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit.ms}${unit.text}`;
}

const lengths = [
  { ms: 3_600_000, text: "h" },
  { ms: 60_000, text: "m" },
  { ms: 1_000, text: "s" },
];
