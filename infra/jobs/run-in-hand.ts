import { TidemarkError } from "../../views/errors.ts";
import type { RedisLink } from "../redis/redis-link.ts";
import type { RunHandler, RunProgress } from "./jobs.ts";
import type { Changed, RedisRun, RedisRunStore } from "./redis-run-store.ts";
import { attempt, type Outcome, settle } from "./settle.ts";

export interface RunInHandOptions {
  readonly link: RedisLink;
  readonly store: RedisRunStore;
  readonly watch: (listener: (stored: RedisRun) => void) => Disposable;
  /** Resolves once watchers know of the change. */
  readonly reached: (change: string | null) => Promise<void>;
  readonly handler: RunHandler;
  readonly clock: () => number;
  readonly failed: (error: unknown) => void;
  /** For how long the run is ours without hearing that it still is. */
  readonly leaseMs: number;
  readonly retryDelaysMs: readonly number[];
  /** Aborted when the worker is closed. */
  readonly closing: AbortSignal;
}

/** What became of a run: as it was settled; or "lost": another worker has it, and what it came to here counts for nothing. */
export type Finished = RedisRun | "lost";

/**
 * A run that this worker has begun. It is asked to stop when somebody cancels it, when another worker has it, when this one is
 * closed, and when the lock on it may have lapsed unnoticed: whoever is cut off from Redis must think that another has begun it.
 */
export class RunInHand {
  readonly #stored: RedisRun;
  readonly #options: RunInHandOptions;
  readonly #stop = new AbortController();
  readonly #lease: NodeJS.Timeout;
  /** What fails from now on is no fault of the run. */
  #isGivenUp = false;
  #isCutOff = false;
  #isLost = false;
  #progress: RunProgress | undefined;
  #reporting: Promise<void> | undefined;

  constructor(stored: RedisRun, options: RunInHandOptions) {
    this.#stored = stored;
    this.#options = options;
    this.#lease = setTimeout(() => {
      this.#isCutOff = true;
      this.#stop.abort();
    }, options.leaseMs);
  }

  giveUp(): void {
    this.#isGivenUp = true;
    this.#stop.abort();
  }

  /** The lock is known to be held for another lease. */
  renewed(): void {
    if (!this.#isCutOff) this.#lease.refresh();
  }

  async perform(): Promise<Finished> {
    const { handler, watch, link, closing, failed } = this.#options;
    const { run } = this.#stored;
    const watching = watch((stored) => {
      if (stored.run.id !== run.id || this.#isAsBegun(stored)) return;
      // Changes are told late: what counts is how the run stands now, or as soon as that can be known.
      link
        .persist(() => this.#change(() => undefined), closing)
        .catch((error) => closing.aborted || failed(error));
    });
    try {
      const report = (progress: RunProgress) => this.#report(progress);
      const outcome = await attempt(async () => {
        try {
          return await handler(run, report, this.#stop.signal);
        } catch (error) {
          throw this.#isCutOff ? cutOff(error) : error;
        }
      });
      const isClosing = this.#isGivenUp;
      await this.#reporting;
      return await this.#settle(outcome, isClosing);
    } finally {
      clearTimeout(this.#lease);
      watching[Symbol.dispose]();
    }
  }

  #isAsBegun({ run, hold, isStopping }: RedisRun): boolean {
    return run.state === "running" && hold === this.#stored.hold && !isStopping;
  }

  /** Changes the run if it is still ours, and notices if it is not or if it is to stop. */
  async #change(next: (before: RedisRun) => RedisRun | undefined): Promise<Changed> {
    return this.#options.store.change(this.#stored.run.id, (before) => {
      this.#isLost = before.run.state !== "running" || before.hold !== this.#stored.hold;
      if (this.#isLost || before.isStopping) this.#stop.abort();
      return this.#isLost ? undefined : next(before);
    });
  }

  /** Progress that comes while the last one is being written takes the place of what waits. */
  #report(progress: RunProgress): void {
    this.#progress = progress;
    this.#reporting ??= this.#write().finally(() => {
      this.#reporting = undefined;
    });
  }

  async #write(): Promise<void> {
    while (this.#progress !== undefined && !this.#isLost) {
      const progress = this.#progress;
      this.#progress = undefined;
      try {
        await this.#change((before) => ({ ...before, run: { ...before.run, progress } }));
      } catch (error) {
        // Redis is gone: the next progress will be shown, or the end.
        if (!isUnavailable(error)) this.#options.failed(error);
      }
    }
  }

  /** What it came to is not lost with Redis: it is told once Redis is back. */
  async #settle(outcome: Outcome, isClosing: boolean): Promise<Finished> {
    const { clock, link, reached, retryDelaysMs, closing } = this.#options;
    if (closing.aborted && link.obstacle !== undefined) return "lost";
    const settling = { isClosing, retryDelaysMs };
    const { stored, change } = await link.persist(
      () => this.#change((before) => settle(before, outcome, { nowMs: clock(), ...settling })),
      closing,
    );
    await reached(change);
    return this.#isLost ? "lost" : stored;
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof TidemarkError && error.code === "TIDEMARK_JOBS_UNAVAILABLE";
}

/** As if the worker had died: whoever is not heard of for that long is taken for dead. */
function cutOff(cause: unknown): TidemarkError {
  const message = "its worker could not renew its lock in Redis in time, and stopped";
  return new TidemarkError("TIDEMARK_PROCESS_GONE", message, { cause });
}
