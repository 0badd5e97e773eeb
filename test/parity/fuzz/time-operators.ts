import { eventTime } from "../../../views/expressions/time-expression.ts";
import { type NumberExpression, TimeExpression } from "../../../views/expressions/typed.ts";
import { type Clock, clockAt, firstDayAt } from "./clocks.ts";
import { type OperatorEntries, type OperatorEntry, type Slot, strict } from "./operator-entry.ts";

/** Mostly UTC: the rules of a zone are a long table, and take DuckDB longer to plan than all the rest. */
const zones: Slot = [
  ...["UTC", "UTC", "UTC", "UTC", "UTC", "UTC", "UTC"],
  ...["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"],
];

function timeOf(a: NumberExpression | TimeExpression): TimeExpression {
  if (a instanceof TimeExpression) return a;
  return a.node.kind === "eventTime" ? eventTime() : a.toTime();
}

/** Of the years 1 to 9999. */
function isTime(ms: number): boolean {
  return ms >= Date.parse("0001-01-01T00:00:00.000Z") && ms <= Date.parse("9999-12-31T23:59:59.999Z");
}

function part(name: keyof Clock): OperatorEntry {
  return {
    signatures: [
      ["integer", zones],
      ["time", zones],
    ],
    result: "integer",
    declared: ([a, zone]) => timeOf(a as NumberExpression)[name](zone as string),
    meant: strict(([a, zone]) => (isTime(a as number) ? clockAt(a as number, zone as string)[name] : null)),
  };
}

export const timeOperators: OperatorEntries = {
  toTime: {
    signatures: [["integer"]],
    result: "integer",
    declared: ([a]) => timeOf(a as NumberExpression).toInteger(),
    meant: strict(([a]) => (isTime(a as number) ? (a as number) : null)),
  },
  timeOfInteger: {
    signatures: [["integer"]],
    result: "time",
    declared: ([a]) => timeOf(a as NumberExpression),
    meant: strict(([a]) => (isTime(a as number) ? (a as number) : null)),
  },
  integerOfTime: {
    signatures: [["time"]],
    result: "integer",
    declared: ([a]) => (a as TimeExpression).toInteger(),
    meant: strict(([a]) => a as number),
  },
  year: part("year"),
  month: part("month"),
  day: part("day"),
  weekday: part("weekday"),
  hour: part("hour"),
  minute: part("minute"),
  second: part("second"),
  date: {
    signatures: [
      ["integer", ["day", "week", "month", "year"], zones],
      ["time", ["day", "week", "month", "year"], zones],
    ],
    result: "string",
    declared: ([a, unit, zone]) => timeOf(a as NumberExpression).date(unit as "day", zone as string),
    meant: strict(([a, unit, zone]) =>
      isTime(a as number) ? firstDayAt(clockAt(a as number, zone as string), unit as string) : null,
    ),
  },
};
