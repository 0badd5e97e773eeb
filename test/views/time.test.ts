import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTime, maxTime, minTime, parseDuration, parseTime } from "../../views/time.ts";

test("every instant from year 0001 to 9999 is read back as it was written", () => {
  fc.assert(
    fc.property(fc.integer({ min: minTime, max: maxTime }), (ms) => {
      expect(parseTime(formatTime(ms))).toBe(ms);
    }),
  );
});

test("an offset from UTC moves the instant", () => {
  expect(parseTime("2001-01-01T00:00:00+02:00")).toBe(Date.UTC(2000, 11, 31, 22));
  expect(parseTime("2001-01-01T00:00:00.5-00:30")).toBe(Date.UTC(2001, 0, 1, 0, 30, 0, 500));
  expect(parseTime("2001-01-01t00:00:00z")).toBe(Date.UTC(2001, 0, 1));
});

test("digits past the milliseconds are cut off, not rounded", () => {
  expect(parseTime("2001-01-01T00:00:00.9999999Z")).toBe(Date.UTC(2001, 0, 1, 0, 0, 0, 999));
});

test("29 February is a day in leap years only", () => {
  expect(parseTime("2000-02-29T00:00:00Z")).toBe(Date.UTC(2000, 1, 29));
  for (const year of ["1900", "2001", "2100"]) expect(parseTime(`${year}-02-29T00:00:00Z`)).toBeNaN();
});

test.each([
  "",
  "2001",
  "Jan 1 2001",
  "2001-01-01",
  "2001-01-01T00:00:00",
  "2001-02-30T00:00:00Z",
  "2001-13-01T00:00:00Z",
  "2001-01-01T24:00:00Z",
  "2001-01-01T00:00:60Z",
  "2001-01-01T00:00:00.Z",
  "2001-01-01T00:00:00Z ",
  "2001-01-01T00:00:00+2:00",
  "0000-01-01T00:00:00Z",
  "0001-01-01T00:00:00+00:01",
  "+12001-01-01T00:00:00Z",
])("%j is no time", (text) => {
  expect(parseTime(text)).toBeNaN();
});

test("a duration is a whole number above zero with its unit", () => {
  expect(parseDuration("90s")).toBe(90_000);
  expect(parseDuration("7d")).toBe(604_800_000);
  for (const text of ["0h", "1.5h", "1 h", "h", "-1h", "1w"]) expect(parseDuration(text)).toBeUndefined();
});
