import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defineEvent } from "../../views/event.ts";
import type { Node } from "../../views/expression.ts";
import { eventTime } from "../../views/expressions/time-expression.ts";
import { Type } from "../../views/index.ts";
import { maxTime, minTime } from "../../views/time.ts";
import { zoneOf } from "../../views/zone.ts";
import { DuckdbHere } from "../duckdb-here.ts";
import { valuesByFold, valuesBySql, writeRows } from "./both-layers.ts";

const tick = defineEvent({ name: "parity.clock.ticked", schema: Type.Object({}) });
/** Half hours of summer time, a date that was skipped, rules without end, offsets with seconds. */
const zones = [
  "UTC",
  "Europe/Berlin",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "Africa/Casablanca",
  "America/St_Johns",
];

const dayMs = 86_400_000;
/** Around every change of every zone's clocks, leap days and the ends of years and of time. */
const times = [
  ...zones.flatMap((name) => zoneOf(name).starts.flatMap((at) => [at - 1, at])),
  ...[minTime, minTime + 7 * 3_600_000, maxTime, maxTime - 9 * 3_600_000, 0, -1],
  ...[
    "0004-02-29",
    "1900-02-28",
    "1900-03-01",
    "2000-02-29",
    "2004-12-27",
    "2100-02-28",
    "9999-01-01",
  ].flatMap((date) => [Date.parse(date) - 1, Date.parse(date), Date.parse(date) + dayMs]),
  ...Array.from({ length: 500 }, (_, i) => minTime + Math.round(((maxTime - minTime) * i) / 500)),
];

let here: DuckdbHere;
beforeAll(async () => {
  here = await DuckdbHere.open(2);
  const none = times.map(() => ({}));
  await writeRows(here.connection, join(here.root, "rows.parquet"), tick, none, times);
});
afterAll(() => here[Symbol.asyncDispose]());

/** The values in both layers, which are the same. */
async function valuesOf({ node }: { readonly node: Node }): Promise<readonly unknown[]> {
  const none = times.map(() => ({}));
  const folded = valuesByFold(node, none, times);
  const queried = await valuesBySql(here.connection, join(here.root, "rows.parquet"), node);
  expect(queried).toHaveLength(times.length);
  const at = times.findIndex((_time, i) => folded[i] !== queried[i]);
  if (at !== -1) expect(folded[at], `at ${times[at]}`).toBe(queried[at]);
  return folded;
}

describe.each(zones)("%s", (zone) => {
  const time = eventTime();

  test.each(["year", "month", "day", "weekday", "hour", "minute", "second"] as const)(
    "the %s is the same in SQL and in the fold",
    async (part) => {
      await valuesOf(time[part](zone));
    },
  );

  test.each(["day", "week", "month", "year"] as const)(
    "the first date of the %s is the same in SQL and in the fold",
    async (unit) => {
      await valuesOf(time.date(unit, zone));
    },
  );

  test("clocks show what Intl says they show", async () => {
    const format = new Intl.DateTimeFormat("en-CA", {
      ...{ timeZone: zone, calendar: "iso8601", hourCycle: "h23" },
      ...{ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" },
    });
    const [dates, hours, minutes] = [
      await valuesOf(time.date("day", zone)),
      await valuesOf(time.hour(zone)),
      await valuesOf(time.minute(zone)),
    ];
    for (const [i, at] of times.entries()) {
      if (at < Date.UTC(1850, 0, 1) || at >= Date.UTC(2100, 0, 1)) continue;
      const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
      const shown = `${dates[i]} ${hours[i]}:${minutes[i]}`;
      expect(shown, `at ${at}`).toBe(
        `${parts.year}-${parts.month}-${parts.day} ${Number(parts.hour)}:${Number(parts.minute)}`,
      );
    }
  });
});

test("a zone that is none is refused when it is declared", () => {
  for (const name of ["Nope/Zone", "", "+01:00"]) {
    expect(() => eventTime().hour(name)).toThrow(
      expect.objectContaining({
        code: "TIDEMARK_DECLARATION_TYPE",
        message: expect.stringContaining("IANA"),
      }),
    );
  }
});
