import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Jobs, Run, RunHandler, RunProgress, RunResult } from "../../infra/jobs/jobs.ts";
import { TidemarkError } from "../../views/errors.ts";

/** A queue under test. What is opened again after it was closed holds what it held before. */
export interface JobsUnderTest {
  open(): Promise<Jobs>;
  remove(): Promise<void>;
}

const result: RunResult = { generations: [{ view: "v", id: "g", rows: 1, differing: 0 }], records: 7 };
const halfway: RunProgress = { step: "compute", view: "v", fraction: 0.5 };
const ended = ({ state }: Run) => state !== "queued" && state !== "running";

/** Resolves with the first run that the queue tells of for which `when` holds. */
function told(jobs: Jobs, when: (run: Run) => boolean): Promise<Run> {
  return new Promise((resolve) => {
    const watch = jobs.watch((run) => {
      if (!when(run)) return;
      watch[Symbol.dispose]();
      resolve(run);
    });
  });
}

/** A handler whose runs end when they are told to, or fail when they are asked to stop. */
class Gate {
  readonly begun: string[] = [];
  #open: () => void = () => undefined;

  readonly handler: RunHandler = (run, report, signal) => {
    this.begun.push(run.id);
    report(halfway);
    return new Promise((resolve, reject) => {
      this.#open = () => resolve(result);
      const stop = () => reject(new TidemarkError("TIDEMARK_RUN_CANCELLED", "stopped"));
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop);
    });
  };

  open(): void {
    this.#open();
  }
}

/** The laws that every queue of batch runs keeps. */
export function jobsContract(name: string, make: () => Promise<JobsUnderTest>): void {
  describe(name, () => {
    let store: JobsUnderTest;
    let jobs: Jobs;
    const wait = (requestedBy = "test") => jobs.submit({ requestedBy, ifBusy: "wait" });
    const reopen = async () => {
      await jobs[Symbol.asyncDispose]();
      jobs = await store.open();
    };

    beforeEach(async () => {
      store = await make();
      jobs = await store.open();
    });
    afterEach(async () => {
      await jobs[Symbol.asyncDispose]();
      await store.remove();
    });

    test("a run goes from queued through running with its progress to succeeded with its result", async () => {
      const run = await wait("somebody");
      expect(run).toMatchObject({ state: "queued", requestedBy: "somebody", startedAt: null, result: null });
      const seen: string[] = [];
      jobs.watch(({ state, progress }) => seen.push(`${state} ${progress?.fraction ?? "-"}`));
      const done = told(jobs, ended);
      jobs.work(async (_, report) => {
        report(halfway);
        return result;
      });
      expect(await done).toMatchObject({ id: run.id, state: "succeeded", result, error: null });
      expect(seen).toEqual(["running -", "running 0.5", "succeeded 0.5"]);
      expect(await jobs.get(run.id)).toEqual(await done);
      expect((await done).finishedAt).not.toBeNull();
    });

    test("runs are done one at a time, in the order in which they were asked for", async () => {
      const ids = [(await wait()).id, (await wait()).id, (await wait()).id];
      const begun: string[] = [];
      let going = 0;
      let most = 0;
      const lastDone = told(jobs, (run) => run.id === ids[2] && ended(run));
      jobs.work(async ({ id }) => {
        begun.push(id);
        most = Math.max(most, ++going);
        await new Promise(setImmediate);
        going--;
        return result;
      });
      await lastDone;
      expect(begun).toEqual(ids);
      expect(most).toBe(1);
      expect((await jobs.list(2)).map(({ id }) => id)).toEqual([ids[2], ids[1]]);
    });

    test("a request that does not wait is refused by the name of the run that is in its way", async () => {
      const refuse = () => jobs.submit({ requestedBy: "schedule", ifBusy: "refuse" });
      const first = await refuse();
      await expect(refuse()).rejects.toMatchObject({
        code: "TIDEMARK_RUN_BUSY",
        message: expect.stringContaining(first.id),
      });
      const gate = new Gate();
      const running = told(jobs, ({ progress }) => progress !== null);
      jobs.work(gate.handler);
      await running;
      await expect(refuse()).rejects.toMatchObject({ code: "TIDEMARK_RUN_BUSY" });
      const done = told(jobs, ended);
      gate.open();
      await done;
      await expect(refuse()).resolves.toMatchObject({ state: "queued" });
    });

    test("of two requests at once that do not wait one is refused", async () => {
      const refuse = () => jobs.submit({ requestedBy: "schedule", ifBusy: "refuse" });
      const outcomes = await Promise.allSettled([refuse(), refuse()]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    });

    test("ten runs may wait, an eleventh is refused", async () => {
      for (let i = 0; i < 10; i++) await wait();
      await expect(wait()).rejects.toMatchObject({ code: "TIDEMARK_RUN_BUSY" });
      expect(await jobs.list(100)).toHaveLength(10);
    });

    test("a failed run says why, with the code of its error, and the next one is done", async () => {
      const [first, second, third] = [await wait(), await wait(), await wait()];
      const done = told(jobs, (run) => run.id === third.id && ended(run));
      jobs.work(async ({ id }) => {
        if (id === first.id) throw new TidemarkError("TIDEMARK_STORE_GAP", "a hole");
        if (id === second.id) throw new Error("unforeseen");
        return result;
      });
      await done;
      expect(await jobs.get(first.id)).toMatchObject({
        state: "failed",
        error: { code: "TIDEMARK_STORE_GAP", message: "a hole" },
        result: null,
      });
      expect(await jobs.get(second.id)).toMatchObject({
        state: "failed",
        error: { code: "TIDEMARK_INTERNAL", message: "unforeseen" },
      });
      expect(await jobs.get(third.id)).toMatchObject({ state: "succeeded" });
    });

    test("a queued run that is cancelled is never begun", async () => {
      const [first, second] = [await wait(), await wait()];
      expect(await jobs.cancel(first.id)).toMatchObject({ state: "cancelled" });
      const gate = new Gate();
      const running = told(jobs, ({ progress }) => progress !== null);
      jobs.work(gate.handler);
      await running;
      expect(gate.begun).toEqual([second.id]);
    });

    test("a running run that is cancelled is asked to stop, and ends as cancelled", async () => {
      const run = await wait();
      const gate = new Gate();
      const running = told(jobs, ({ progress }) => progress !== null);
      jobs.work(gate.handler);
      await running;
      const done = told(jobs, ended);
      await jobs.cancel(run.id);
      expect(await done).toMatchObject({ id: run.id, state: "cancelled", error: null });
      expect(await jobs.cancel(run.id)).toEqual(await done);
    });

    test("a run that nobody asked for is unknown", async () => {
      expect(await jobs.get("nope")).toBeUndefined();
      await expect(jobs.cancel("nope")).rejects.toMatchObject({ code: "TIDEMARK_RUN_UNKNOWN" });
    });

    test("closing the worker gives the run in hand back: whoever works next does it", async () => {
      const run = await wait();
      for (let i = 0; i < 3; i++) {
        const gate = new Gate();
        const running = told(jobs, ({ progress }) => progress !== null);
        const worker = jobs.work(gate.handler);
        await running;
        await worker[Symbol.asyncDispose]();
        expect(gate.begun).toEqual([run.id]);
        expect(await jobs.get(run.id)).toMatchObject({ state: "queued", progress: null });
      }
      const done = told(jobs, ended);
      jobs.work(async () => result);
      expect(await done).toMatchObject({ id: run.id, state: "succeeded" });
    });

    test("a run whose process went away is done again once, then failed", async () => {
      const run = await wait();
      let begun = 0;
      const done = told(jobs, ended);
      jobs.work(async () => {
        begun++;
        throw new TidemarkError("TIDEMARK_PROCESS_GONE", "the batch process is gone");
      });
      expect(await done).toMatchObject({ id: run.id, state: "failed", error: { code: "TIDEMARK_RUN_LOST" } });
      expect(begun).toBe(2);
    });

    test("what was queued and what has ended is still there after closing and opening", async () => {
      const first = await wait("first");
      const done = told(jobs, ended);
      const worker = jobs.work(async () => result);
      const ending = await done;
      await worker[Symbol.asyncDispose]();
      const second = await wait("second");
      await reopen();
      expect(await jobs.get(first.id)).toEqual(ending);
      expect(await jobs.list(10)).toEqual([second, ending]);
      const secondDone = told(jobs, ended);
      jobs.work(async () => result);
      expect(await secondDone).toMatchObject({ id: second.id, state: "succeeded", requestedBy: "second" });
    });
  });
}
