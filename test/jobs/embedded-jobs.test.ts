import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EmbeddedJobs } from "../../infra/jobs/embedded-jobs.ts";
import { jobsContract } from "./jobs-contract.ts";

async function folderOfJobs() {
  const path = await mkdtemp(join(tmpdir(), "tidemark-jobs-"));
  let ids = 0;
  let ms = Date.UTC(2026, 0, 1);
  return {
    path,
    open: () =>
      EmbeddedJobs.open({
        path,
        clock: () => ++ms,
        newId: () => `run-${++ids}`,
        history: 20,
        retryDelaysMs: [1, 1],
      }),
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
  const child = spawn(process.execPath, ["--import", "tsx/esm", script, path], {
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
