import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EmbeddedJobs } from "../../infra/jobs/embedded-jobs.ts";
import type { RunResult } from "../../infra/jobs/jobs.ts";
import { jobsContract } from "./jobs-contract.ts";

const result: RunResult = { generations: [], records: 0 };

async function folderOfJobs() {
  const path = await mkdtemp(join(tmpdir(), "tidemark-jobs-"));
  let ids = 0;
  let ms = Date.UTC(2026, 0, 1);
  return {
    path,
    open: () => EmbeddedJobs.open({ path, clock: () => ++ms, newId: () => `run-${++ids}`, history: 20 }),
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

jobsContract("embedded jobs", folderOfJobs);

let folder: Awaited<ReturnType<typeof folderOfJobs>>;
beforeEach(async () => {
  folder = await folderOfJobs();
});
afterEach(() => folder.remove());

/** Kills a process in the middle of the run that waits. */
async function dieInRun(path: string): Promise<void> {
  const script = fileURLToPath(new URL("./worker-child.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
}

test("a run whose worker was killed is done again once, then failed", async () => {
  const jobs = await folder.open();
  const { id } = await jobs.submit({ requestedBy: "test", ifBusy: "wait" });
  await jobs[Symbol.asyncDispose]();

  await dieInRun(folder.path);
  const second = await folder.open();
  expect(await second.get(id)).toMatchObject({ state: "queued", startedAt: null });
  await second[Symbol.asyncDispose]();

  await dieInRun(folder.path);
  const third = await folder.open();
  expect(await third.get(id)).toMatchObject({ state: "failed", error: { code: "TIDEMARK_RUN_LOST" } });
  await third[Symbol.asyncDispose]();
});

test("as many runs are kept as the history is long, and one that still waits is kept whatever its age", async () => {
  const jobs = await folder.open();
  const waiting = await jobs.submit({ requestedBy: "waiting", ifBusy: "wait" });
  let lastId = "";
  for (let i = 0; i < 25; i++) {
    lastId = (await jobs.submit({ requestedBy: "test", ifBusy: "wait" })).id;
    await jobs.cancel(lastId);
  }
  const runs = await jobs.list(100);
  expect(runs).toHaveLength(21);
  expect(runs[0]?.id).toBe(lastId);
  expect(runs.at(-1)).toEqual(waiting);
  expect(await jobs.get("run-2")).toBeUndefined();
  await jobs[Symbol.asyncDispose]();
});

test("a queue is worked off by one worker at a time", async () => {
  const jobs = await folder.open();
  const worker = jobs.work(async () => result);
  expect(() => jobs.work(async () => result)).toThrow(/already/);
  await worker[Symbol.asyncDispose]();
  await jobs.work(async () => result)[Symbol.asyncDispose]();
  await jobs[Symbol.asyncDispose]();
});
