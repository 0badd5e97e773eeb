import { TidemarkError } from "../../views/errors.ts";
import { busy, isInTheWay, mostQueued, occasionId } from "./admission.ts";
import type { Jobs, Run, RunHandler, RunProgress, RunRequest } from "./jobs.ts";
import { RunStore, type StoredRun } from "./run-store.ts";
import { attempt, begun, cancelled, giveBack, hasEnded, requested, retryDelaysMs, settle } from "./settle.ts";

export interface EmbeddedJobsOptions {
  /** A folder of its own. */
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly newId: () => string;
  /** How many runs are kept that have ended. Default 1,000. */
  readonly history?: number;
  /** Pauses before a run that failed by what can be tried again is tried again. */
  readonly retryDelaysMs?: readonly number[];
}

/** The queue of one process, kept in LMDB. Every change is durable before anyone is told of it, but for progress. */
export class EmbeddedJobs implements Jobs {
  readonly #store: RunStore;
  readonly #clock: () => number;
  readonly #newId: () => string;
  readonly #retryDelaysMs: readonly number[];
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

  private constructor(options: EmbeddedJobsOptions) {
    this.#store = new RunStore(options.path, options.history ?? 1_000);
    this.#clock = options.clock;
    this.#newId = options.newId;
    this.#retryDelaysMs = options.retryDelaysMs ?? retryDelaysMs;
    this.#nextNumber = this.#store.nextNumber;
  }

  async submit(request: RunRequest): Promise<Run> {
    const { ifBusy, occasion } = request;
    const id = occasion === undefined ? this.#newId() : occasionId(occasion);
    const known = occasion === undefined ? undefined : (this.#active.get(id)?.run ?? this.#store.get(id));
    if (known !== undefined) return known;
    const runs = [...this.#active.values()].map(({ run }) => run);
    const held = requested(id, request, this.#clock());
    const first = runs.find((other) => ifBusy === "refuse" && isInTheWay(other, held.run));
    if (first !== undefined) throw busy("busy", first, held.run);
    const [front] = runs;
    const waiting = runs.filter(({ state }) => state === "queued").length;
    if (front !== undefined && waiting >= mostQueued(held.run.kind)) throw busy("full", front, held.run);
    // Taken in before it is durable, so that two requests at once see each other.
    const stored = { number: this.#nextNumber++, ...held };
    this.#active.set(id, stored);
    await this.#save(stored);
    this.#worker?.wake();
    return stored.run;
  }

  async list(limit: number): Promise<readonly Run[]> {
    return this.#store.list(limit).map((run) => this.#active.get(run.id)?.run ?? run);
  }

  async get(id: string): Promise<Run | undefined> {
    return this.#active.get(id)?.run ?? this.#store.get(id);
  }

  async cancel(id: string): Promise<Run> {
    const stored = this.#active.get(id);
    if (stored === undefined) {
      const ended = this.#store.get(id);
      if (ended !== undefined) return ended;
      throw new TidemarkError("TIDEMARK_RUN_UNKNOWN", `there is no run "${id}"`);
    }
    if (stored.run.state === "queued") return this.#save(cancelled(stored, this.#clock()));
    await this.#save({ ...stored, isStopping: true });
    if (this.#running?.id === id) this.#running.stop.abort();
    return this.#active.get(id)?.run ?? stored.run;
  }

  /** Keeps of what former runs found no rows. */
  forgetExamples(): Promise<void> {
    return this.#store.forgetExamples();
  }

  watch(listener: (run: Run) => void): Disposable {
    // A wrapper, so that one listener may watch twice.
    const entry = (run: Run) => listener(run);
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => this.#listeners.delete(entry) };
  }

  async obstacle(): Promise<undefined> {}

  async available(): Promise<void> {}

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
    if (stored.run.state === "running") await this.#save(giveBack(stored, "its worker died", this.#clock()));
  }

  /** Gives whether there was a run to do, or the milliseconds until there will be. */
  async #workNext(handler: RunHandler, closing: AbortSignal): Promise<boolean | number> {
    const next = [...this.#active.values()].find(({ run }) => run.state === "queued");
    if (next === undefined) return false;
    const waitMs = (next.retryAt ?? 0) - this.#clock();
    if (waitMs > 0) return waitMs;
    const stop = new AbortController();
    const { id } = next.run;
    this.#running = { id, stop };
    const run = await this.#save(begun(next, this.#clock()));
    if (closing.aborted) stop.abort();
    const report = (progress: RunProgress) => this.#report(id, stop, progress);
    const outcome = await attempt(() => handler(run, report, stop.signal));
    this.#running = undefined;
    const stored = this.#active.get(id);
    if (stored === undefined) return true;
    const options = {
      nowMs: this.#clock(),
      isClosing: closing.aborted,
      retryDelaysMs: this.#retryDelaysMs,
    };
    await this.#save(settle(stored, outcome, options));
    return true;
  }

  async #save(stored: StoredRun): Promise<Run> {
    const { run } = stored;
    if (hasEnded(run)) this.#active.delete(run.id);
    else this.#active.set(run.id, stored);
    await this.#store.put(stored);
    this.#tell(run);
    return run;
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
}

/** Does what there is to do, then sleeps until it is woken, until closed. */
class Worker {
  readonly #closing = new AbortController();
  /** Rejects if the queue can't be kept any more. */
  readonly done: Promise<void>;
  #wake: () => void = () => undefined;

  constructor(next: (closing: AbortSignal) => Promise<boolean | number>) {
    this.done = this.#loop(next);
  }

  wake(): void {
    this.#wake();
  }

  close(): void {
    this.#closing.abort();
    this.#wake();
  }

  async #loop(next: (closing: AbortSignal) => Promise<boolean | number>): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      // The promise is made before looking: a wake between the look and the sleep is not lost.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const more = await next(signal);
      const timer = typeof more === "number" ? setTimeout(this.#wake, more) : undefined;
      if (more !== true && !signal.aborted) await woken;
      clearTimeout(timer);
    }
  }
}
