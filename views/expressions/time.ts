import { defineOperator, type Operator } from "../expression.ts";
import { maxTime, minTime } from "../time.ts";
import type { Zone } from "../zone.ts";
import { onlyIf } from "./only-if.ts";

export function timeOrNull(ms: number): number | null {
  return ms >= minTime && ms <= maxTime ? ms : null;
}

export const integerToTime = defineOperator({
  name: "toTime",
  result: "time",
  nulls: "propagate",
  nullable: () => true,
  js: ([a], scope) => `${scope.constant(timeOrNull)}(${a})`,
  sql: ([a = ""]) => onlyIf(a, (it) => `${it} BETWEEN ${minTime} AND ${maxTime}`),
});

/** A time is its milliseconds already. */
export const timeToInteger = defineOperator({
  name: "toInteger",
  result: "integer",
  nulls: "propagate",
  js: ([a = ""]) => a,
  sql: ([a = ""]) => a,
});

/**
 * What the clocks of a zone show, as if that were UTC. In SQL a slot of time has at most one change of the rules, so that
 * two lists say all: a third of the time that ICU takes. The text of the time stands there three times, unlike elsewhere; DuckDB
 * computes it once, and of what a clock shows no other clock is asked.
 */
export function clock(zone: Zone): Operator {
  const local = localTime(zone);
  const { fromMs, widthMs, changes, offsetsMs } = slotsOf(zone);
  const listOf = (values: readonly number[]) => `CAST('[${values.join(", ")}]' AS BIGINT[])`;
  return defineOperator({
    name: `clock ${zone.name} ${zone.hash}`,
    result: "integer",
    nulls: "propagate",
    js: ([a], scope) => `${scope.constant(local)}(${a})`,
    sql: ([a]) => {
      const slot = `least(greatest((${a} - ${fromMs}) // ${widthMs}, 0) + 1, ${changes.length})`;
      const isAfter = `CAST(${a} >= ${listOf(changes)}[${slot}] AS BIGINT)`;
      return `(${a} + ${listOf(offsetsMs)}[${slot} + ${isAfter}])`;
    },
  });
}

/** Slots of one width, the widest of which none holds two changes. A slot without one has none to come. */
function slotsOf({ starts, offsetsMs }: Zone) {
  const [first = 0] = starts;
  const fromMs = first - 1;
  const latest = starts.at(-1) ?? 0;
  const slotOf = (ms: number, widthMs: number) => Math.floor((ms - fromMs) / widthMs);
  let widthMs = widestSlotMs;
  while (new Set(starts.map((ms) => slotOf(ms, widthMs))).size < starts.length) widthMs /= 2;
  const changes: number[] = [];
  const before: (number | undefined)[] = [];
  let passed = 0;
  for (let slot = 0; slot <= slotOf(latest, widthMs) + 1; slot++) {
    const start = starts[passed];
    const isHere = start !== undefined && slotOf(start, widthMs) === slot;
    changes.push(isHere ? start : Number.MAX_SAFE_INTEGER);
    before.push(offsetsMs[passed]);
    if (isHere) passed++;
  }
  return { fromMs, widthMs, changes, offsetsMs: [...before, offsetsMs.at(-1)].map((offset) => offset ?? 0) };
}

const widestSlotMs = 64 * 86_400_000;

const locals = new WeakMap<Zone, (ms: number) => number>();

/** One function per zone. Remembers the rule that it used last: events come roughly in order. */
export function localTime(zone: Zone): (ms: number) => number {
  const known = locals.get(zone);
  if (known !== undefined) return known;
  const { starts, offsetsMs } = zone;
  let [from, next, offset] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  const local = (ms: number): number => {
    if (ms < from || ms >= next) {
      let [low, high] = [0, starts.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (ms < (starts[middle] ?? 0)) high = middle;
        else low = middle + 1;
      }
      from = starts[low - 1] ?? Number.NEGATIVE_INFINITY;
      next = starts[low] ?? Number.POSITIVE_INFINITY;
      offset = offsetsMs[low] ?? 0;
    }
    return ms + offset;
  };
  locals.set(zone, local);
  return local;
}

function part(name: string, of: (ms: number) => number, sql: string): Operator {
  return defineOperator({
    name,
    result: "integer",
    nulls: "propagate",
    js: ([a], scope) => `${scope.constant(of)}(${a})`,
    sql: ([a]) => `${sql}(epoch_ms(${a}))`,
  });
}

/** Of what a clock shows. Weekdays go from Monday, 1, to Sunday, 7. */
export const parts = Object.freeze({
  year: part("year", (ms) => new Date(ms).getUTCFullYear(), "year"),
  month: part("month", (ms) => new Date(ms).getUTCMonth() + 1, "month"),
  day: part("day", (ms) => new Date(ms).getUTCDate(), "day"),
  weekday: part("weekday", (ms) => ((new Date(ms).getUTCDay() + 6) % 7) + 1, "isodow"),
  hour: part("hour", (ms) => new Date(ms).getUTCHours(), "hour"),
  minute: part("minute", (ms) => new Date(ms).getUTCMinutes(), "minute"),
  second: part("second", (ms) => new Date(ms).getUTCSeconds(), "second"),
});

/** A week is named by its Monday. */
export type DateUnit = "day" | "week" | "month" | "year";

/** The first day of the unit, `2001-01-31`; in a zone whose clocks are ahead of UTC, perhaps of year 10000. */
const firstDay: Readonly<Record<DateUnit, (ms: number) => string>> = {
  day: (ms) => new Date(ms).toISOString().replace(/^\+0/, "").replace(/T.*/, ""),
  week: (ms) => firstDay.day(ms - ((new Date(ms).getUTCDay() + 6) % 7) * 86_400_000),
  month: (ms) => firstDay.day(ms).replace(/..$/, "01"),
  year: (ms) => firstDay.day(ms).replace(/.....$/, "01-01"),
};

export function date(unit: DateUnit): Operator {
  return defineOperator({
    name: `date ${unit}`,
    result: "string",
    nulls: "propagate",
    js: ([a], scope) => `${scope.constant(firstDay[unit])}(${a})`,
    sql: ([a]) => `strftime(date_trunc('${unit}', epoch_ms(${a})), '%Y-%m-%d')`,
  });
}
