import type { RunProgress } from "../infra/jobs/jobs.ts";
import type { View } from "../views/view.ts";

/** Shares of a whole run, from what runs over millions of records take; the views split theirs evenly. */
const shares = { seal: 0.02, archive: 0.18, views: 0.76, publish: 0.04 } as const;
const computeShare = 0.6;

/** Turns how far a step is into how far the run is. */
export class Progress {
  readonly #views: readonly View[];
  readonly #report: (progress: RunProgress) => void;
  readonly #done = new Map<View, number>();

  constructor(views: readonly View[], report: (progress: RunProgress) => void) {
    this.#views = views;
    this.#report = report;
  }

  sealing(): void {
    this.#tell("seal", null, 0);
  }

  archiving(done: number): void {
    this.#tell("archive", null, shares.seal + shares.archive * portion(done));
  }

  computing(view: View, done: number): void {
    this.#tell("compute", view, this.#built(view, computeShare * portion(done)));
  }

  reconciling(view: View, done: number): void {
    this.#tell("reconcile", view, this.#built(view, computeShare + (1 - computeShare) * portion(done)));
  }

  publishing(done: number): void {
    this.#tell("publish", null, 1 - shares.publish * (1 - portion(done)));
  }

  #built(view: View, doneOfView: number): number {
    this.#done.set(view, doneOfView);
    const done = [...this.#done.values()].reduce((sum, each) => sum + each, 0);
    return shares.seal + shares.archive + shares.views * (done / this.#views.length);
  }

  #tell(step: RunProgress["step"], view: View | null, fraction: number): void {
    this.#report({ step, view: view?.name ?? null, fraction });
  }
}

function portion(done: number): number {
  return Number.isNaN(done) ? 1 : Math.min(1, Math.max(0, done));
}
