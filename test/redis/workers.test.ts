import { afterEach, beforeEach, expect, inject, test } from "vitest";
import type { BullmqJobs } from "../../infra/jobs/bullmq-jobs.ts";
import type { Run } from "../../infra/jobs/jobs.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { ended, Gate, halfway, result, told } from "../jobs/gate.ts";
import { freshApp, openJobs, removeApp } from "./queue-of-processes.ts";
import { WorkerChild } from "./worker-child.ts";

const url = inject("redisUrl");
/** For how long a worker that isn't heard of keeps its run. */
const lockMs = 1_500;

let app: string;
let lifecycle: Lifecycle;
let jobs: BullmqJobs;
const open = async () => lifecycle.use(await openJobs(url, app, { lockMs }));
const child = () => lifecycle.use(new WorkerChild(url, app, lockMs));
const anyRun = { requestedBy: "test", ifBusy: "wait" } as const;
const wait = () => jobs.submit(anyRun);

beforeEach(async () => {
  app = freshApp();
  lifecycle = new Lifecycle();
  lifecycle.defer(() => removeApp(url, app));
  jobs = await open();
});
afterEach(() => lifecycle[Symbol.asyncDispose]());

test("one run goes on at a time among many workers, in the order in which runs were asked for", async () => {
  const queues = [jobs, await open(), await open(), await open()];
  const begun: string[] = [];
  let going = 0;
  let most = 0;
  for (const queue of queues) {
    queue.work(async ({ id }, report) => {
      begun.push(id);
      most = Math.max(most, ++going);
      report(halfway);
      await new Promise((resolve) => setImmediate(resolve));
      going--;
      return result;
    });
  }
  const ids: string[] = [];
  const over = new Set<string>();
  const all = told(jobs, (run) => ended(run) && over.add(run.id).size === 20);
  const places = queues.map(() => told(jobs, ended));
  while (ids.length < 20) {
    // Ten may wait: the others are asked for as there is room.
    if (ids.length - over.size < 10) ids.push((await queues[ids.length % 4]?.submit(anyRun))?.id ?? "");
    else await told(jobs, ended);
  }
  await Promise.all([...places, all]);
  expect(begun).toEqual(ids);
  expect(most).toBe(1);
});

test("whoever watches, in whichever process, is told of every change, and whoever cancels is obeyed", async () => {
  const [watcher, canceller] = [await open(), await open()];
  const seen: string[] = [];
  watcher.watch(({ state, progress }) => seen.push(`${state} ${progress?.fraction ?? "-"}`));
  const done = told(watcher, ended);
  const gate = new Gate();
  const running = told(canceller, ({ progress }) => progress !== null);
  const run = await wait();
  jobs.work(gate.handler);
  await running;
  await canceller.cancel(run.id);
  expect(await done).toMatchObject({ id: run.id, state: "cancelled", error: null });
  expect(seen).toEqual(["queued -", "running -", "running 0.5", "running 0.5", "cancelled 0.5"]);
});

test("a run whose worker was killed is done again once, then failed", async () => {
  const first = child();
  const run = await wait();
  await first.says("begun");
  await first[Symbol.asyncDispose]();
  const again = told(jobs, ({ state }) => state === "queued");
  const second = child();
  await second.says("begun");
  expect(await again).toMatchObject({ id: run.id, startedAt: null });
  await second[Symbol.asyncDispose]();
  const done = told(jobs, ended);
  const gate = new Gate();
  jobs.work(gate.handler);
  expect(await done).toMatchObject({ id: run.id, state: "failed", error: { code: "TIDEMARK_RUN_LOST" } });
  expect(gate.begun).toEqual([]);
});

test("a run that was cancelled while its worker was dead is not done again", async () => {
  const worker = child();
  const run = await wait();
  await worker.says("begun");
  await worker[Symbol.asyncDispose]();
  const done = told(jobs, ended);
  expect(await jobs.cancel(run.id)).toMatchObject({ state: "running" });
  const gate = new Gate();
  jobs.work(gate.handler);
  expect(await done).toMatchObject({ state: "cancelled" });
  expect(gate.begun).toEqual([]);
});

test("a worker that was stopped for longer than its lock is asked to stop, and what it comes to counts for nothing", async () => {
  const stalled = child();
  const run = await wait();
  await stalled.says("begun");
  stalled.signal("SIGSTOP");
  const gate = new Gate();
  const running = told(jobs, ({ progress }) => progress !== null);
  jobs.work(gate.handler);
  await running;
  const ends: Run[] = [];
  jobs.watch((changed) => ended(changed) && ends.push(changed));
  stalled.signal("SIGCONT");
  await stalled.says("stopped");
  stalled.tell("finish");
  stalled.tell("close");
  await stalled.says("closed");
  expect(await jobs.get(run.id)).toMatchObject({ state: "running", progress: halfway });
  const done = told(jobs, ended);
  gate.open();
  expect(await done).toMatchObject({ id: run.id, state: "succeeded", result });
  expect(ends).toHaveLength(1);
});

test("a run that lasts longer than its lock stays with its worker", async () => {
  const run = await wait();
  const begun: string[] = [];
  const done = told(jobs, ended);
  for (const queue of [jobs, await open()]) {
    queue.work(({ id }) => {
      begun.push(id);
      return new Promise((resolve) => setTimeout(() => resolve(result), 3 * lockMs));
    });
  }
  expect(await done).toMatchObject({ id: run.id, state: "succeeded" });
  expect(begun).toEqual([run.id]);
});
