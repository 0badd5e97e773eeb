import { Queue } from "bullmq";
import { TidemarkError } from "../../views/errors.ts";
import { Lifecycle } from "../lifecycle.ts";
import type { RedisLink } from "../redis/redis-link.ts";
import { busy, occasionId } from "./admission.ts";
import { BullmqWorker } from "./bullmq-worker.ts";
import type { Jobs, Run, RunHandler, RunRequest } from "./jobs.ts";
import { type RedisRun, RedisRunStore } from "./redis-run-store.ts";
import { RunChanges } from "./run-changes.ts";
import { cancelled, hasEnded, requested, retryDelaysMs } from "./settle.ts";
import { Tickets } from "./tickets.ts";

export interface BullmqJobsOptions {
  readonly link: RedisLink;
  /** Of the app: every key begins with `tidemark:<app>`. */
  readonly app: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly newId: () => string;
  /** Told of what goes wrong in the queue, and is tried again. */
  readonly failed: (error: unknown) => void;
  /** How many runs are kept that have ended. Default 1,000. */
  readonly history?: number;
  /** Pauses before a run that failed by what can be tried again is tried again. */
  readonly retryDelaysMs?: readonly number[];
  /** For how long a worker that isn't heard of keeps the run that it has in hand. Default 60,000 ms. */
  readonly lockMs?: number;
}

/**
 * The queue of many processes, kept in Redis. What a run is, is a record of ours (`RedisRunStore`); BullMQ says which worker's
 * turn it is, notices workers that have died, and holds back what is to be tried again later.
 */
export class BullmqJobs implements Jobs {
  readonly #options: BullmqJobsOptions;
  readonly #lifecycle = new Lifecycle();
  readonly #store: RedisRunStore;
  readonly #tickets: Tickets;
  readonly #changes: RunChanges;
  readonly #listeners = new Set<(stored: RedisRun) => void>();
  #worker: BullmqWorker | undefined;

  /** Closes the link when it is closed. Redis need not be there yet. */
  static async open(options: BullmqJobsOptions): Promise<BullmqJobs> {
    const jobs = new BullmqJobs(options);
    if (options.link.obstacle === undefined) await jobs.#changes.placed;
    return jobs;
  }

  private constructor(options: BullmqJobsOptions) {
    const { link, app, history = 1_000 } = options;
    const prefix = `tidemark:${app}`;
    this.#options = options;
    this.#lifecycle.use(link);
    this.#store = new RedisRunStore(link, prefix, history);
    this.#changes = this.#lifecycle.use(
      new RunChanges(link, this.#store.changesKey, (stored) => {
        for (const listener of this.#listeners) listener(stored);
      }),
    );
    const queue = new Queue("runs", {
      connection: link.client,
      prefix,
      // It would ask for the version once, and never work again if Redis went away just then.
      skipVersionCheck: true,
    });
    // The link says it already.
    queue.on("error", () => undefined);
    this.#lifecycle.defer(() => queue.close());
    this.#tickets = new Tickets(queue, link, this.#store);
    this.#lifecycle.use(link.onAvailable(() => void this.#tickets.make().catch(options.failed)));
  }

  async submit(request: RunRequest): Promise<Run> {
    const { ifBusy, occasion } = request;
    const id = occasion === undefined ? this.#options.newId() : occasionId(occasion);
    const stored = { ...requested(id, request, this.#options.clock()), hold: null };
    const admission = await this.#store.admit(stored, ifBusy);
    // The run is taken in: should its ticket get lost, whoever asks or works next makes it.
    await this.#tickets.make().catch(this.#options.failed);
    if (admission.kind === "known") return admission.run;
    if (admission.kind !== "admitted") throw busy(admission.kind, admission.run, stored.run);
    await this.#changes.reached(admission.change);
    return stored.run;
  }

  async list(limit: number): Promise<readonly Run[]> {
    return (await this.#store.list(limit)).map(({ run }) => run);
  }

  async get(id: string): Promise<Run | undefined> {
    return (await this.#store.read(id))?.run;
  }

  async cancel(id: string): Promise<Run> {
    const { stored, change } = await this.#store.change(id, (before) => {
      if (hasEnded(before.run) || before.isStopping) return undefined;
      return before.run.state === "queued"
        ? cancelled(before, this.#options.clock())
        : { ...before, isStopping: true };
    });
    await this.#changes.reached(change);
    return stored.run;
  }

  /** Keeps of what each run found no rows, which are of what there was then. */
  forgetExamples(): Promise<void> {
    return this.#store.forgetExamples();
  }

  watch(listener: (run: Run) => void): Disposable {
    return this.#watch(({ run }) => listener(run));
  }

  work(handler: RunHandler): AsyncDisposable {
    if (this.#worker !== undefined) {
      throw new TidemarkError("TIDEMARK_STORE_LOCKED", "this queue is being worked off already");
    }
    const { link, clock, failed, lockMs = 60_000 } = this.#options;
    const worker = new BullmqWorker({
      link,
      store: this.#store,
      tickets: this.#tickets,
      watch: (listener) => this.#watch(listener),
      reached: (change) => this.#changes.reached(change),
      handler,
      clock,
      failed,
      lockMs,
      retryDelaysMs: this.#options.retryDelaysMs ?? retryDelaysMs,
    });
    this.#worker = worker;
    return {
      [Symbol.asyncDispose]: async () => {
        await worker[Symbol.asyncDispose]();
        if (this.#worker === worker) this.#worker = undefined;
      },
    };
  }

  async obstacle(): Promise<string | undefined> {
    return this.#options.link.obstacle;
  }

  available(): Promise<void> {
    return this.#options.link.available();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.[Symbol.asyncDispose]();
    this.#worker = undefined;
    await this.#lifecycle[Symbol.asyncDispose]();
  }

  #watch(listener: (stored: RedisRun) => void): Disposable {
    // A wrapper, so that one listener may watch twice.
    const entry = (stored: RedisRun) => listener(stored);
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) };
  }
}
