import type { Jobs, Run, RunRequest } from "../../infra/jobs/jobs.ts";
import { TidemarkError } from "../../views/errors.ts";

/** Runs as plain data that a test moves on by hand. */
export class PlainJobs implements Jobs {
  readonly runs: Run[] = [];
  readonly #listeners = new Set<(run: Run) => void>();

  get watchers(): number {
    return this.#listeners.size;
  }

  async submit({ requestedBy, ifBusy, kind = "batch", view = null, full = false, past = null }: RunRequest) {
    const busy = this.runs.find(({ finishedAt }) => finishedAt === null);
    if (busy !== undefined && ifBusy === "refuse") {
      throw new TidemarkError("TIDEMARK_RUN_BUSY", `run "${busy.id}" is going on`);
    }
    const run: Run = {
      id: `run-${this.runs.length + 1}`,
      state: "queued",
      kind,
      view,
      full,
      past,
      requestedBy,
      requestedAt: "2001-01-01T00:00:00.000Z",
      startedAt: null,
      finishedAt: null,
      progress: null,
      error: null,
      result: null,
    };
    this.runs.unshift(run);
    return run;
  }

  /** Changes a run and tells those who watch. */
  change(id: string, change: Partial<Run>): Run {
    const at = this.runs.findIndex((run) => run.id === id);
    const before = this.runs[at];
    if (before === undefined) throw new Error(`no run ${id}`);
    const run = { ...before, ...change };
    this.runs[at] = run;
    for (const listener of [...this.#listeners]) listener(run);
    return run;
  }

  async list(limit: number): Promise<readonly Run[]> {
    return this.runs.slice(0, limit);
  }

  async get(id: string): Promise<Run | undefined> {
    return this.runs.find((run) => run.id === id);
  }

  async cancel(id: string): Promise<Run> {
    return this.change(id, { state: "cancelled", finishedAt: "2001-01-01T00:00:01.000Z" });
  }

  watch(listener: (run: Run) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** What `obstacle` gives. */
  hindrance: string | undefined;

  async obstacle(): Promise<string | undefined> {
    return this.hindrance;
  }

  async available(): Promise<void> {}

  work(): never {
    throw new Error("runs are moved on by hand");
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
