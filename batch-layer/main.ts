import type { Jobs } from "../infra/jobs/jobs.ts";
import { Lifecycle } from "../infra/lifecycle.ts";
import { performRun, type RunParts } from "./run.ts";
import { scheduleRuns } from "./schedule.ts";

export interface BatchWorkerOptions extends RunParts {
  readonly jobs: Jobs;
  /** A scheduled run could not be asked for. */
  readonly failed: (error: unknown) => void;
}

/** Performs in this process what runs the queue holds, and asks for one whenever the app's schedule says so. */
export function startBatchWorker({ jobs, failed, ...parts }: BatchWorkerOptions): AsyncDisposable {
  const ends = new Lifecycle();
  // First, since an app whose schedule is none must not begin to work.
  ends.use(scheduleRuns(parts.app, jobs, failed));
  ends.use(jobs.work((run, report, signal) => performRun(parts, run, report, signal)));
  return ends;
}
