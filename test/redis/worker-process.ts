import { createInterface } from "node:readline";
import type { RunResult } from "../../infra/jobs/jobs.ts";
import { openJobs } from "./queue-of-processes.ts";

/**
 * A process that works an app's runs off. It says "begun", and "stopped" if it is asked to stop; a run ends when it reads
 * "finish", stopped or not. "close" gives back what is in hand.
 */
const [, , url = "", app = "", lockMs = ""] = process.argv;
const say = (word: string) => process.stdout.write(`${word}\n`);
const result: RunResult = { generations: [], records: 666, reconciliations: [] };
let finish: () => void = () => undefined;

const jobs = await openJobs(url, app, { lockMs: Number(lockMs), failed: () => undefined });
jobs.work((_, __, signal) => {
  say("begun");
  signal.addEventListener("abort", () => say("stopped"));
  return new Promise((resolve) => {
    finish = () => resolve(result);
  });
});
for await (const line of createInterface(process.stdin)) {
  if (line === "finish") finish();
  if (line === "close") break;
}
await jobs[Symbol.asyncDispose]();
say("closed");
process.exit();
