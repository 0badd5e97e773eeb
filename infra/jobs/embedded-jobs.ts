import { type ErrorCode, TidemarkError } from "../../views/errors.ts";
import type { Jobs, Run, RunHandler, RunProgress, RunResult } from "./jobs.ts";
import { RunStore, type StoredRun } from "./run-store.ts";

export interface EmbeddedJobsOptions {
  /** A folder of its own. */
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly newId: () => string;
  /** How many runs are kept that have ended. Default 1,000. */
  readonly history?: number;
}

const mostQueued = 10;
const mostAttempts = 2;

/** The queue of one process, kept in LMDB. Every change is durable before anyone is told of it, but for progress. */
export class EmbeddedJobs implements Jobs {
  readonly #store: RunStore;
  readonly #clock: () => number;
  readonly #newId: () => string;
  readonly #listeners = new Set<(run: Run) => void>();
  /** Queued or going on, by id, oldest first. */
  readonly #active = new Map<string, StoredRun>();
  #nextNumber: number;
  #running: { readonly id: string; readonly stop: AbortController } | undefined;
  #worker: Worker | undefined;

  static async open(options: EmbeddedJobsOptions): Promise<EmbeddedJobs> {
    const jobs = new EmbeddedJobs(options);
    for (const stored of jobs.#store.unfinished()) await jobs.#takeUp(stored);
    return jobs;
  }

  private constructor({ path, clock, newId, history = 1_000 }: EmbeddedJobsOptions) {
    this.#store = new RunStore(path, history);
    this.#clock = clock;
    this.#newId = newId;
    this.#nextNumber = this.#store.nextNumber;
  }

  async submit(request: { readonly requestedBy: string; readonly ifBusy: "wait" | "refuse" }): Promise<Run> {
    const runs = [...this.#active.values()].map(({ run }) => run);
    const [first] = runs;
    if (first !== undefined && request.ifBusy === "refuse") {
      throw new TidemarkError(
        "TIDEMARK_RUN_BUSY",
        `run ${first.id}, asked for by ${first.requestedBy}, ${first.state === "running" ? "is going on" : "waits to begin"}`,
      );
    }
    if (first !== undefined && runs.filter(({ state }) => state === "queued").length >= mostQueued) {
      throw new TidemarkError(
        "TIDEMARK_RUN_BUSY",
        `${mostQueued} runs wait already, behind run ${first.id}; cancel one or wait for one to end`,
      );
    }
    const run: Run = {
      id: this.#newId(),
      state: "queued",
      requestedBy: request.requestedBy,
      requestedAt: this.#now(),
      startedAt: null,
      finishedAt: null,
      progress: null,
      error: null,
      result: null,
    };
    // Taken in before it is durable, so that two requests at once see each other.
    const stored = { number: this.#nextNumber++, run, attempts: 0, isStopping: false };
    this.#active.set(run.id, stored);
    await this.#save(stored);
    this.#worker?.wake();
    return run;
  }

  async list(limit: number): Promise<readonly Run[]> {
    return this.#store.list(limit).map((run) => this.#active.get(run.id)?.run ?? run);
  }

  async get(id: string): Promise<Run | undefined> {
    return this.#active.get(id)?.run ?? this.#store.get(id);
  }

  /** Of a run that has ended, nothing changes. Throws TIDEMARK_RUN_UNKNOWN. */
  async cancel(id: string): Promise<Run> {
    const stored = this.#active.get(id);
    if (stored === undefined) {
      const ended = this.#store.get(id);
      if (ended !== undefined) return ended;
      throw new TidemarkError("TIDEMARK_RUN_UNKNOWN", `there is no run "${id}"`);
    }
    if (stored.run.state === "queued") return this.#end(stored, { state: "cancelled" });
    await this.#save({ ...stored, isStopping: true });
    if (this.#running?.id === id) this.#running.stop.abort();
    return this.#active.get(id)?.run ?? stored.run;
  }

  /** The listener must not throw. */
  watch(listener: (run: Run) => void): Disposable {
    // A wrapper, so that one listener may watch twice.
    const entry = (run: Run) => listener(run);
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => this.#listeners.delete(entry) };
  }

  /** Disposing of it stops the run in hand and gives it back to the queue. One worker at a time. */
  work(handler: RunHandler): AsyncDisposable {
    if (this.#worker !== undefined) {
      throw new TidemarkError("TIDEMARK_STORE_LOCKED", "this queue is being worked off already");
    }
    const worker = new Worker((closing) => this.#workNext(handler, closing));
    this.#worker = worker;
    return {
      [Symbol.asyncDispose]: async () => {
        worker.close();
        this.#running?.stop.abort();
        await worker.done;
        if (this.#worker === worker) this.#worker = undefined;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker?.close();
    this.#running?.stop.abort();
    await this.#worker?.done;
    this.#worker = undefined;
    await this.#store[Symbol.asyncDispose]();
  }

  /** A run that was found when the queue was opened: if it was going on, its worker has died. */
  async #takeUp(stored: StoredRun): Promise<void> {
    this.#active.set(stored.run.id, stored);
    if (stored.run.state === "running") await this.#giveBack(stored, "its worker died");
  }

  /** Gives whether there was a run to do. */
  async #workNext(handler: RunHandler, closing: AbortSignal): Promise<boolean> {
    const next = [...this.#active.values()].find(({ run }) => run.state === "queued");
    if (next === undefined) return false;
    const stop = new AbortController();
    const { id } = next.run;
    this.#running = { id, stop };
    const run: Run = { ...next.run, state: "running", startedAt: this.#now() };
    await this.#save({ ...next, run, attempts: next.attempts + 1 });
    if (closing.aborted) stop.abort();
    const report = (progress: RunProgress) => this.#report(id, stop, progress);
    const outcome = await attempt(() => handler(run, report, stop.signal));
    this.#running = undefined;
    await this.#settle(id, outcome, closing);
    return true;
  }

  async #settle(id: string, outcome: Outcome, closing: AbortSignal): Promise<void> {
    const stored = this.#active.get(id);
    if (stored === undefined) return;
    if (outcome.kind === "done") {
      await this.#end(stored, { state: "succeeded", result: outcome.result });
    } else if (stored.isStopping) {
      await this.#end(stored, { state: "cancelled" });
    } else if (closing.aborted) {
      // It was not the run's fault: the attempt does not count.
      await this.#giveBack({ ...stored, attempts: stored.attempts - 1 }, "its worker was closed");
    } else if (outcome.error instanceof TidemarkError && outcome.error.code === "TIDEMARK_PROCESS_GONE") {
      await this.#giveBack(stored, outcome.error.message);
    } else {
      await this.#end(stored, { state: "failed", error: describe(outcome.error) });
    }
  }

  async #giveBack(stored: StoredRun, reason: string): Promise<void> {
    if (stored.isStopping) {
      await this.#end(stored, { state: "cancelled" });
    } else if (stored.attempts >= mostAttempts) {
      const message = `the run was begun ${stored.attempts} times and never ended: ${reason}`;
      await this.#end(stored, { state: "failed", error: { code: "TIDEMARK_RUN_LOST", message } });
    } else {
      const run: Run = { ...stored.run, state: "queued", startedAt: null, progress: null };
      await this.#save({ ...stored, run });
    }
  }

  async #end(stored: StoredRun, ending: Partial<Run>): Promise<Run> {
    const run = { ...stored.run, ...ending, finishedAt: this.#now() };
    this.#active.delete(run.id);
    await this.#store.put({ ...stored, run });
    this.#tell(run);
    return run;
  }

  async #save(stored: StoredRun): Promise<void> {
    this.#active.set(stored.run.id, stored);
    await this.#store.put(stored);
    this.#tell(stored.run);
  }

  #report(id: string, stop: AbortController, progress: RunProgress): void {
    const stored = this.#active.get(id);
    if (stored === undefined || this.#running?.stop !== stop) return;
    const run = { ...stored.run, progress };
    this.#active.set(id, { ...stored, run });
    this.#tell(run);
  }

  #tell(run: Run): void {
    for (const listener of this.#listeners) listener(run);
  }

  #now(): string {
    return new Date(this.#clock()).toISOString();
  }
}

type Outcome =
  | { readonly kind: "done"; readonly result: RunResult }
  | { readonly kind: "failed"; readonly error: unknown };

async function attempt(perform: () => Promise<RunResult>): Promise<Outcome> {
  try {
    return { kind: "done", result: await perform() };
  } catch (error) {
    return { kind: "failed", error };
  }
}

function describe(error: unknown): { readonly code: ErrorCode; readonly message: string } {
  return {
    code: error instanceof TidemarkError ? error.code : "TIDEMARK_INTERNAL",
    message: error instanceof Error ? error.message : String(error),
  };
}

/** Does what there is to do, then sleeps until it is woken, until closed. */
class Worker {
  readonly #closing = new AbortController();
  /** Rejects if the queue can't be kept any more. */
  readonly done: Promise<void>;
  #wake: () => void = () => undefined;

  constructor(next: (closing: AbortSignal) => Promise<boolean>) {
    this.done = this.#loop(next);
  }

  wake(): void {
    this.#wake();
  }

  close(): void {
    this.#closing.abort();
    this.#wake();
  }

  async #loop(next: (closing: AbortSignal) => Promise<boolean>): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      // The promise is made before looking: a wake between the look and the sleep is not lost.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (!(await next(signal)) && !signal.aborted) await woken;
    }
  }
}
