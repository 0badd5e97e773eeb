import { inject } from "vitest";
import { jobsContract } from "../jobs/jobs-contract.ts";
import { freshApp, openJobs, removeApp } from "./queue-of-processes.ts";

const url = inject("redisUrl");

jobsContract("BullMQ jobs", async () => {
  const app = freshApp();
  let ids = 0;
  let ms = Date.UTC(2026, 0, 1);
  const options = { clock: () => ++ms, newId: () => `run-${++ids}`, history: 20, retryDelaysMs: [1, 1] };
  return { open: () => openJobs(url, app, options), remove: () => removeApp(url, app) };
});
