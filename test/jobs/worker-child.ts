import { EmbeddedJobs } from "../../infra/jobs/embedded-jobs.ts";

/** Begins the run that waits in the queue at the path and never ends it; says so, to be killed. */
const [, , path = ""] = process.argv;
const jobs = await EmbeddedJobs.open({ path, clock: Date.now, newId: () => "unused" });
jobs.work(() => {
  process.stdout.write("begun\n");
  return new Promise(() => setInterval(() => undefined, 1_000));
});
