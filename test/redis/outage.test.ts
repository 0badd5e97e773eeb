import { afterEach, beforeEach, expect, test } from "vitest";
import { type Cron, scheduleRuns } from "../../batch-layer/schedule.ts";
import type { BullmqJobs, BullmqJobsOptions } from "../../infra/jobs/bullmq-jobs.ts";
import type { Jobs } from "../../infra/jobs/jobs.ts";
import { type RedisNode, startRedis } from "../../infra/kafka/services/redis.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { defineApp, defineEvent, TidemarkError, Type } from "../../views/index.ts";
import { ended, Gate, result, told } from "../jobs/gate.ts";
import { freshApp, openJobs } from "./queue-of-processes.ts";

let app: string;
let lifecycle: Lifecycle;
let redis: RedisNode;
let jobs: BullmqJobs;
/** What the queue had to say of itself. */
let failures: unknown[];
const open = async (options: Partial<BullmqJobsOptions> = {}) =>
  lifecycle.use(await openJobs(redis.url, app, { failed: (error) => failures.push(error), ...options }));
const anyRun = { requestedBy: "test", ifBusy: "wait" } as const;

beforeEach(async () => {
  app = freshApp();
  failures = [];
  lifecycle = new Lifecycle();
  redis = lifecycle.use(await startRedis());
  jobs = await open();
});
afterEach(() => lifecycle[Symbol.asyncDispose]());

const unavailable = {
  code: "TIDEMARK_JOBS_UNAVAILABLE",
  status: 503,
  canRetry: true,
  message: expect.stringContaining("127.0.0.1"),
};

/** Kills Redis; resolves once the queue has noticed. */
async function killRedis(): Promise<void> {
  await redis.kill();
  while ((await jobs.obstacle()) === undefined) await new Promise((resolve) => setImmediate(resolve));
}

test("without Redis whatever is asked of the queue is refused at once, and there is a reason", async () => {
  const { id } = await jobs.submit(anyRun);
  await killRedis();
  const begin = performance.now();
  await expect(jobs.submit(anyRun)).rejects.toMatchObject(unavailable);
  await expect(jobs.list(10)).rejects.toMatchObject(unavailable);
  await expect(jobs.get(id)).rejects.toMatchObject(unavailable);
  await expect(jobs.cancel(id)).rejects.toMatchObject(unavailable);
  expect(performance.now() - begin).toBeLessThan(500);
  expect(await jobs.obstacle()).toContain(redis.url);
});

test("a request that was refused is not made later", async () => {
  await killRedis();
  await expect(jobs.submit(anyRun)).rejects.toMatchObject(unavailable);
  await redis.start();
  await jobs.available();
  expect(await jobs.list(10)).toEqual([]);
  expect(await jobs.obstacle()).toBeUndefined();
});

test("what waits when Redis is killed is worked off once it is back, by the worker that was there", async () => {
  const watcher = await open();
  await killRedis();
  jobs.work(async () => result);
  await redis.start();
  await Promise.all([jobs.available(), watcher.available()]);
  const done = told(watcher, ended);
  const run = await watcher.submit(anyRun);
  expect(await done).toMatchObject({ id: run.id, state: "succeeded" });
});

test.each(["after Redis is back", "while Redis is gone"])(
  "a run in the middle of which Redis is killed and started again is done once: ending %s",
  async (when) => {
    const watcher = await open();
    const gate = new Gate();
    const running = told(watcher, ({ progress }) => progress !== null);
    const run = await jobs.submit(anyRun);
    jobs.work(gate.handler);
    await running;
    const done = told(watcher, ended);
    await killRedis();
    if (when === "while Redis is gone") gate.open();
    await redis.start();
    await jobs.available();
    gate.open();
    expect(await done).toMatchObject({ id: run.id, state: "succeeded", result });
    expect(gate.begun).toEqual([run.id]);
    const next = told(watcher, ({ id, state }) => id !== run.id && state === "running");
    const second = await jobs.submit(anyRun);
    expect(await next).toMatchObject({ id: second.id });
    expect(failures).toEqual([]);
  },
);

test("a run that is cancelled as soon as Redis is back is stopped", async () => {
  const gate = new Gate();
  const running = told(jobs, ({ progress }) => progress !== null);
  const run = await jobs.submit(anyRun);
  jobs.work(gate.handler);
  await running;
  await killRedis();
  await redis.start();
  const other = await open();
  const done = told(other, ended);
  await other.cancel(run.id);
  expect(await done).toMatchObject({ id: run.id, state: "cancelled" });
});

test("a worker that is cut off from Redis for longer than its lock stops its run, which is done again", async () => {
  const worker = await open({ lockMs: 1_000 });
  const gate = new Gate();
  const running = told(jobs, ({ progress }) => progress !== null);
  const run = await jobs.submit(anyRun);
  let stopped: () => void = () => undefined;
  const stopping = new Promise<void>((resolve) => {
    stopped = resolve;
  });
  worker.work((begun, report, signal) => {
    signal.addEventListener("abort", stopped);
    return gate.handler(begun, report, signal);
  });
  await running;
  await killRedis();
  await stopping;
  const again = told(jobs, ({ progress }) => progress !== null);
  await redis.start();
  expect(await again).toMatchObject({ id: run.id, state: "running" });
  expect(gate.begun).toEqual([run.id, run.id]);
  const done = told(jobs, ended);
  gate.open();
  expect(await done).toMatchObject({ id: run.id, state: "succeeded", error: null });
});

test("a queue is closed in good time while Redis is gone, with a run in hand", async () => {
  const gate = new Gate();
  const running = told(jobs, ({ progress }) => progress !== null);
  const { id } = await jobs.submit(anyRun);
  jobs.work(gate.handler);
  await running;
  await killRedis();
  const begin = performance.now();
  await jobs[Symbol.asyncDispose]();
  expect(performance.now() - begin).toBeLessThan(3_000);
  await redis.start();
  const other = await open();
  expect(await other.get(id)).toMatchObject({ state: "running" });
});

test("a queue whose Redis is not there yet is opened all the same, and works once it is", async () => {
  await killRedis();
  const early = await open();
  expect(await early.obstacle()).toContain("ECONNREFUSED");
  early.work(async () => result);
  await redis.start();
  await early.available();
  const done = told(early, ended);
  const run = await early.submit(anyRun);
  expect(await done).toMatchObject({ id: run.id, state: "succeeded" });
});

const seen = defineEvent({ name: "test.thing.seen", schema: Type.Object({ at: Type.Integer() }) });
const things = defineApp({
  name: "things",
  views: [],
  events: [seen],
  batch: { schedule: "*/5 * * * *", full: "always", timezone: "UTC" },
});

/** A scheduler of one more process, whose clock is moved on by hand. */
async function scheduler() {
  const queue = await open();
  const asked: Promise<unknown>[] = [];
  const submit: Jobs["submit"] = (request) => {
    const asking = queue.submit(request);
    asked.push(asking.catch(() => undefined));
    return asking;
  };
  let due: (time: Date) => void = () => undefined;
  const cron: Cron = (_, __, callback) => {
    due = callback;
    return { [Symbol.asyncDispose]: async () => undefined };
  };
  const codes: unknown[] = [];
  const jobsOfIt = { submit, available: () => queue.available() };
  const failed = (error: unknown) => codes.push(error instanceof TidemarkError ? error.code : error);
  lifecycle.use(scheduleRuns(things, jobsOfIt, failed, cron));
  return { due: (minute: number) => due(new Date(Date.UTC(2026, 0, 1, 0, minute))), asked, codes };
}

test("of several schedulers one makes the run of a due time", async () => {
  const schedulers = await Promise.all([scheduler(), scheduler(), scheduler()]);
  jobs.work(async () => result);
  for (const minute of [5, 10]) {
    const done = told(jobs, ended);
    const [first, second, late] = schedulers;
    first?.due(minute);
    second?.due(minute);
    await done;
    // Its clock is behind: the run is over by the time that it asks.
    late?.due(minute);
    await Promise.all(schedulers.flatMap(({ asked }) => asked));
  }
  expect(await jobs.list(10)).toMatchObject([{ requestedBy: "schedule" }, { requestedBy: "schedule" }]);
  expect(schedulers.flatMap(({ codes }) => codes)).toEqual([]);
});

test("of all due times that were missed while Redis was gone, one run is made, by whichever scheduler", async () => {
  const schedulers = await Promise.all([scheduler(), scheduler()]);
  await killRedis();
  for (let minute = 5; minute <= 100; minute += 5) {
    for (const { due, asked } of schedulers) {
      due(minute);
      await asked.at(-1);
    }
  }
  jobs.work(async () => result);
  const done = told(jobs, ended);
  await redis.start();
  expect(await done).toMatchObject({ requestedBy: "schedule", state: "succeeded" });
  // Each asks once more than it missed times.
  for (const { asked } of schedulers) {
    while (asked.length < 21) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all(asked);
  }
  expect(await jobs.list(10)).toHaveLength(1);
  expect(schedulers.map(({ codes }) => codes.length)).toEqual([20, 20]);
  const next = told(jobs, ended);
  for (const { due } of schedulers) due(105);
  await next;
  expect(await jobs.list(10)).toHaveLength(2);
});
