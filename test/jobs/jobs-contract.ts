import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Jobs, Run } from "../../infra/jobs/jobs.ts";
import { TidemarkError } from "../../views/errors.ts";
import { ended, Gate, halfway, result, told } from "./gate.ts";

/**
 * A queue under test. What is opened again after it was closed holds what it held before. It keeps 20 runs that have ended,
 * and tries twice again, without a pause to speak of.
 */
export interface JobsUnderTest {
  open(): Promise<Jobs>;
  remove(): Promise<void>;
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

    test("a run as of the past is in the way of no other kind, and of few of its own", async () => {
      const past = { position: "topic@0:12", views: ["view"] };
      const asOf = (ifBusy: "wait" | "refuse") =>
        jobs.submit({ requestedBy: "test", ifBusy, kind: "past", past });
      const first = await asOf("refuse");
      const named = { code: "TIDEMARK_RUN_BUSY", message: expect.stringContaining(first.id) };
      await expect(asOf("refuse")).rejects.toMatchObject(named);
      for (let i = 0; i < 4; i++) await asOf("wait");
      await expect(asOf("wait")).rejects.toMatchObject({ message: expect.stringMatching(/^5 runs wait/) });
      const batch = await jobs.submit({ requestedBy: "schedule", ifBusy: "refuse" });
      await expect(jobs.submit({ requestedBy: "schedule", ifBusy: "refuse" })).rejects.toMatchObject({
        message: expect.stringContaining(batch.id),
      });
      for (let i = 0; i < 4; i++) await wait();
      await expect(wait()).rejects.toMatchObject({ message: expect.stringMatching(/^10 runs wait/) });
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

    test("a run that fails by what can be tried again is queued once more and says why, before those behind it", async () => {
      const [run, behind] = [await wait(), await wait()];
      const begun: string[] = [];
      const again: Run[] = [];
      jobs.watch((changed) => changed.id === run.id && changed.state === "queued" && again.push(changed));
      const done = told(jobs, ({ id, state }) => id === behind.id && state === "succeeded");
      jobs.work(async ({ id, error }) => {
        expect(error).toBeNull();
        begun.push(id);
        if (begun.length < 3) throw new TidemarkError("TIDEMARK_STORE_LOCKED", "in use");
        return result;
      });
      await done;
      expect(begun).toEqual([run.id, run.id, run.id, behind.id]);
      expect(again).toHaveLength(2);
      expect(again[0]).toMatchObject({ startedAt: null, error: { code: "TIDEMARK_STORE_LOCKED" } });
      expect(await jobs.get(run.id)).toMatchObject({ state: "succeeded", error: null });
    });

    test("a run that fails by what can be tried again once too often has failed", async () => {
      const run = await wait();
      let begun = 0;
      const done = told(jobs, ended);
      jobs.work(async () => {
        begun++;
        throw new TidemarkError("TIDEMARK_STORE_LOCKED", `in use ${begun}`);
      });
      const error = { code: "TIDEMARK_STORE_LOCKED", message: "in use 3" };
      expect(await done).toMatchObject({ id: run.id, state: "failed", error });
      expect(begun).toBe(3);
    });

    test("a run that fails by what can't be tried again is not tried again", async () => {
      await wait();
      let begun = 0;
      const done = told(jobs, ended);
      jobs.work(async () => {
        begun++;
        throw new TidemarkError("TIDEMARK_STORE_CORRUPT", "half a file");
      });
      expect(await done).toMatchObject({ state: "failed", error: { code: "TIDEMARK_STORE_CORRUPT" } });
      expect(begun).toBe(1);
    });

    test("of requests for one occasion one makes a run, and the others are given it, also after its end", async () => {
      const occasion = "things at 2026-01-01T00:05:00.000Z";
      const ask = () => jobs.submit({ requestedBy: "schedule", ifBusy: "refuse", occasion });
      const [first, second] = await Promise.all([ask(), ask()]);
      expect(second).toEqual(first);
      const done = told(jobs, ended);
      jobs.work(async () => result);
      expect(await ask()).toMatchObject({ id: first.id });
      expect(await done).toMatchObject({ id: first.id, state: "succeeded" });
      await reopen();
      expect(await ask()).toEqual(await done);
      expect(await jobs.list(10)).toHaveLength(1);
      const other = await jobs.submit({ requestedBy: "schedule", ifBusy: "refuse", occasion: "another" });
      expect(other.id).not.toBe(first.id);
    });

    test("as many runs are kept as the history is long, and one that still waits is kept whatever its age", async () => {
      const waiting = await wait("waiting");
      let latest = waiting;
      for (let i = 0; i < 25; i++) {
        latest = await wait();
        await jobs.cancel(latest.id);
      }
      const runs = await jobs.list(100);
      expect(runs).toHaveLength(21);
      expect(runs[0]?.id).toBe(latest.id);
      expect(runs.at(-1)).toEqual(waiting);
      expect(await jobs.get("run-2")).toBeUndefined();
    });

    test("a queue is worked off by one worker at a time", async () => {
      const worker = jobs.work(async () => result);
      expect(() => jobs.work(async () => result)).toThrow(/already/);
      await worker[Symbol.asyncDispose]();
      await jobs.work(async () => result)[Symbol.asyncDispose]();
    });

    test("of a great deal of progress the last is never lost", async () => {
      await wait();
      const done = told(jobs, ended);
      jobs.work(async (_, report) => {
        for (let i = 1; i <= 1_000; i++) report({ ...halfway, fraction: i / 1_000 });
        return result;
      });
      expect(await done).toMatchObject({ state: "succeeded", progress: { fraction: 1 } });
    });

    test("nothing is in the way of a queue that is there", async () => {
      await jobs.available();
      expect(await jobs.obstacle()).toBeUndefined();
    });

    test("what was queued and what has ended is still there after closing and opening", async () => {
      const first = await wait("first");
      const done = told(jobs, ended);
      const worker = jobs.work(async () => result);
      const ending = await done;
      await worker[Symbol.asyncDispose]();
      const past = { position: "topic@0:12", views: ["view", "view@2"] };
      const second = await jobs.submit({ requestedBy: "second", ifBusy: "wait", kind: "past", past });
      await reopen();
      expect(await jobs.get(first.id)).toEqual(ending);
      expect(await jobs.list(10)).toEqual([second, ending]);
      const secondDone = told(jobs, ended);
      jobs.work(async () => result);
      expect(await secondDone).toMatchObject({ id: second.id, state: "succeeded", kind: "past", past });
    });
  });
}
