import type { Jobs, Run, RunHandler, RunProgress, RunResult } from "../../infra/jobs/jobs.ts";
import { TidemarkError } from "../../views/errors.ts";

export const result: RunResult = {
  generations: [{ view: "v", id: "g", rows: 1, differing: 0, base: null, inFull: null }],
  records: 7,
  reconciliations: [],
};
export const halfway: RunProgress = { step: "compute", view: "v", fraction: 0.5 };
export const ended = ({ state }: Run) => state !== "queued" && state !== "running";

/** Resolves with the first run that the queue tells of for which `when` holds. */
export function told(jobs: Jobs, when: (run: Run) => boolean): Promise<Run> {
  return new Promise((resolve) => {
    const watch = jobs.watch((run) => {
      if (!when(run)) return;
      watch[Symbol.dispose]();
      resolve(run);
    });
  });
}

/** A handler whose runs end when they are told to, or fail when they are asked to stop. */
export class Gate {
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
