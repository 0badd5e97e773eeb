import { expect, test } from "vitest";
import {
  type Cron,
  longestFullIntervalMs,
  longestIntervalMs,
  scheduleRuns,
} from "../../batch-layer/schedule.ts";
import type { Jobs, Run } from "../../infra/jobs/jobs.ts";
import { defineApp, defineEvent, TidemarkError, Type } from "../../views/index.ts";

const event = defineEvent({ name: "test.thing.seen", schema: Type.Object({ at: Type.Integer() }) });
const appWith = (batch: { schedule: string | null; full?: string; timezone?: string }) =>
  defineApp({ name: "things", views: [], events: [event], batch });

/** A queue that answers what it is told to; the promise resolves with the second request. */
function queue(answer: () => Promise<Run>) {
  const requests: Parameters<Jobs["submit"]>[0][] = [];
  let second: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    second = resolve;
  });
  const submit: Jobs["submit"] = (request) => {
    if (requests.push(request) === 2) second();
    return answer();
  };
  return { submit, available: async () => undefined, requests, asked };
}

const unforeseen = (error: unknown) => {
  throw error;
};

test.each([
  ["61 * * * *", /batch\.schedule "61 \* \* \* \*".*minute.*"\*\/5 \* \* \* \*"/],
  ["hourly", /5 or 6 fields/],
  ["* * * *", /5 or 6 fields but got 4/],
  ["", /cron expression/],
])(
  "a schedule that is no cron expression is refused by saying what would be right: %j",
  (schedule, words) => {
    const jobs = queue(() => Promise.reject(new Error("must not be asked")));
    expect(() => scheduleRuns(appWith({ schedule }), jobs, unforeseen)).toThrow(
      expect.objectContaining({ code: "TIDEMARK_CONFIG", message: expect.stringMatching(words) }),
    );
  },
);

test("a time zone that there is none of is refused", () => {
  const jobs = queue(() => Promise.reject(new Error("must not be asked")));
  const app = appWith({ schedule: "* * * * *", timezone: "Middle/Earth" });
  expect(() => scheduleRuns(app, jobs, unforeseen)).toThrow(
    expect.objectContaining({ code: "TIDEMARK_CONFIG", message: expect.stringContaining("Middle/Earth") }),
  );
});

test("a time at which a run is going on is let pass, and the next one asks again", async () => {
  const busy = () => Promise.reject(new TidemarkError("TIDEMARK_RUN_BUSY", "run 1 is going on"));
  const jobs = queue(busy);
  const failures: unknown[] = [];
  const schedule = scheduleRuns(appWith({ schedule: "* * * * * *" }), jobs, (error) => {
    failures.push(error);
  });
  await jobs.asked;
  await schedule[Symbol.asyncDispose]();
  const occasion = expect.stringMatching(/^things at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
  expect(jobs.requests[0]).toEqual({ requestedBy: "schedule", ifBusy: "refuse", occasion });
  expect(failures).toEqual([]);
});

test("a run that can't be asked for is told of, and the next time comes all the same", async () => {
  const jobs = queue(() => Promise.reject(new Error("the disk is full")));
  const failures: unknown[] = [];
  const schedule = scheduleRuns(appWith({ schedule: "* * * * * *" }), jobs, (error) => {
    failures.push(error);
  });
  await jobs.asked;
  await schedule[Symbol.asyncDispose]();
  expect(failures[0]).toMatchObject({ message: "the disk is full" });
});

test("an app without a schedule has none", async () => {
  const jobs = queue(() => Promise.reject(new Error("must not be asked")));
  const schedule = scheduleRuns(appWith({ schedule: null }), jobs, unforeseen);
  await schedule[Symbol.asyncDispose]();
});

test.each([
  ["*/5 * * * *", 5 * 60_000],
  ["0 3 * * *", 24 * 3_600_000],
  ["0 3 * * 1", 7 * 24 * 3_600_000],
  // From Friday noon to Monday noon.
  ["0 12 * * 1-5", 3 * 24 * 3_600_000],
])("the longest time between two runs of %s is %d ms", (schedule, ms) => {
  expect(longestIntervalMs(appWith({ schedule, timezone: "UTC" }))).toBe(ms);
});

test("full computations are asked for by a schedule of their own, and wait for their turn", async () => {
  const jobs = queue(() => Promise.reject(new TidemarkError("TIDEMARK_RUN_BUSY", "run 1 is going on")));
  const due = new Map<string, (time: Date) => void>();
  const cron: Cron = (expression, _, callback) => {
    due.set(expression, callback);
    return { [Symbol.asyncDispose]: async () => undefined };
  };
  const app = appWith({ schedule: "*/5 * * * *", full: "0 4 * * *" });
  const schedule = scheduleRuns(app, jobs, unforeseen, cron);
  const time = new Date(Date.UTC(2026, 0, 1, 4));
  for (const callback of due.values()) callback(time);
  await jobs.asked;
  await schedule[Symbol.asyncDispose]();
  expect(jobs.requests).toEqual([
    { requestedBy: "schedule", ifBusy: "refuse", occasion: `things at ${time.toISOString()}` },
    {
      ...{ requestedBy: "schedule", ifBusy: "wait", full: true },
      occasion: `things in full at ${time.toISOString()}`,
    },
  ]);
});

test("a time for full computations that is no cron expression is refused", () => {
  const jobs = queue(() => Promise.reject(new Error("must not be asked")));
  expect(() => scheduleRuns(appWith({ schedule: "* * * * *", full: "nightly" }), jobs, unforeseen)).toThrow(
    expect.objectContaining({
      code: "TIDEMARK_CONFIG",
      message: expect.stringMatching(/batch\.full "nightly".*"0 3 \* \* \*".*"always"/),
    }),
  );
});

test.each([
  ["0 3 * * *", 24 * 3_600_000],
  ["0 3 * * 1", 7 * 24 * 3_600_000],
  ["always", 0],
])("the longest time between two full computations of %s is %d ms", (full, ms) => {
  expect(longestFullIntervalMs(appWith({ schedule: null, full, timezone: "UTC" }))).toBe(ms);
});
