import { expect, test } from "vitest";
import { formatTime, parseTime } from "../../views/time.ts";
import { paneAfter, paneOf, startOf, tumbling } from "../../views/window.ts";

const startAt = (length: string, tz: string | undefined, time: string) => {
  const window = tumbling(length, tz === undefined ? {} : { tz });
  return formatTime(startOf(window, paneOf(window, parseTime(time))));
};

test.each([
  [
    "1d",
    "America/Chicago",
    "2024-03-10T05:59:59.999Z",
    "2024-03-09T06:00:00.000Z",
    "the day before a day of 23 hours",
  ],
  ["1d", "America/Chicago", "2024-03-11T04:59:59.999Z", "2024-03-10T06:00:00.000Z", "a day of 23 hours"],
  ["1d", "America/Chicago", "2024-11-04T05:59:59.999Z", "2024-11-03T05:00:00.000Z", "a day of 25 hours"],
  ["1d", "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00.000Z", "a day without a midnight"],
  ["1d", "America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00.000Z", "an hour that came twice"],
  ["1w", undefined, "2024-05-05T23:59:59.999Z", "2024-04-29T00:00:00.000Z", "a Sunday"],
  ["1w", undefined, "1970-01-01T00:00:00Z", "1969-12-29T00:00:00.000Z", "the first day of 1970, a Thursday"],
  ["1w", "Europe/Berlin", "2024-03-31T22:00:00Z", "2024-03-31T22:00:00.000Z", "a Monday in summer time"],
  ["1mo", "Asia/Kolkata", "2024-02-29T18:30:00Z", "2024-02-29T18:30:00.000Z", "the first of March"],
  ["1mo", undefined, "2024-02-29T23:59:59.999Z", "2024-02-01T00:00:00.000Z", "a leap day"],
])("%s in %s: %s falls into what begins at %s (%s)", (length, tz, time, start, _what) => {
  expect(startAt(length, tz, time)).toBe(start);
});

test.each(["1d", "1w", "1mo"])(
  "panes of %s are named by their first instant, and the next begins where they end",
  (length) => {
    for (const tz of ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "UTC"]) {
      const window = tumbling(length, { tz });
      let pane = paneOf(window, parseTime("2023-12-31T12:00:00Z"));
      for (let i = 0; i < 100; i++) {
        const next = paneAfter(window, pane);
        expect(paneOf(window, startOf(window, pane))).toBe(pane);
        expect(paneOf(window, startOf(window, next) - 1)).toBe(pane);
        pane = next;
      }
    }
  },
);

test("a day of UTC is what it always was", () => {
  expect(tumbling("1d", { tz: "UTC" })).toEqual(tumbling("1d"));
});

test.each([
  [
    "a zone for hours",
    () => tumbling("1h", { tz: "Asia/Kolkata" }),
    "TIDEMARK_DECLARATION_WINDOW",
    '"1d", "1w" or "1mo"',
  ],
  ["a zone that there is not", () => tumbling("1d", { tz: "Mars" }), "TIDEMARK_DECLARATION_TYPE", "IANA"],
  ["months that are no calendar's", () => tumbling("2mo"), "TIDEMARK_DECLARATION_WINDOW", '"1mo"'],
])("%s is refused when it is declared", (_, declare, code, words) => {
  expect(declare).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }));
});
