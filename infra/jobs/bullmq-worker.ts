import { DelayedError, type Job, WaitingError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { Lock, RedisRun } from "./redis-run-store.ts";
import { type Finished, RunInHand, type RunInHandOptions } from "./run-in-hand.ts";
import { begun, giveBack, hasEnded } from "./settle.ts";
import type { Tickets } from "./tickets.ts";

export interface BullmqWorkerOptions extends Omit<RunInHandOptions, "leaseMs" | "closing"> {
  readonly tickets: Tickets;
  /** For how long a worker that isn't heard of keeps the run that it has in hand. */
  readonly lockMs: number;
}

/** How long closing waits for BullMQ once the run in hand has stopped. */
const closeMs = 2_000;
const closeWithoutRedisMs = 200;
/** After what nobody foresaw a ticket is tried again. */
const againMs = 5_000;
/** How often missing tickets are looked for. */
const lookMs = 30_000;

/** Works runs off, one at a time among all workers of the app: BullMQ lets only one ticket be active. */
export class BullmqWorker implements AsyncDisposable {
  readonly #options: BullmqWorkerOptions;
  readonly #closing = new AbortController();
  #worker: Worker | undefined;
  #client: Redis | undefined;
  #looking: NodeJS.Timeout | undefined;
  #inHand: { readonly run: RunInHand; readonly done: Promise<unknown> } | undefined;

  constructor(options: BullmqWorkerOptions) {
    this.#options = options;
    this.#start().catch((error) => {
      // The queue was closed before Redis came.
      if (!this.#closing.signal.aborted) options.failed(error);
    });
  }

  /** Stops the run in hand and gives it back. If Redis is gone, whoever works next finds it half done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    clearInterval(this.#looking);
    const closed = this.#worker?.close();
    this.#inHand?.run.giveUp();
    await this.#inHand?.done;
    // BullMQ's close never resolves while Redis is gone (taskforcesh/bullmq#4656). What it has not put back by then
    // is put back when its lock lapses.
    await within(this.#options.link.obstacle === undefined ? closeMs : closeWithoutRedisMs, closed);
    this.#client?.disconnect();
  }

  async #start(): Promise<void> {
    const { link, tickets, failed, lockMs } = this.#options;
    const { signal } = this.#closing;
    await link.persist(() => tickets.make(), signal);
    if (signal.aborted) return;
    const client = link.connect({ retryStrategy: () => (signal.aborted ? null : 500) });
    this.#client = client;
    const worker = new Worker(tickets.queueName, (ticket, token) => this.#workOff(ticket, token ?? ""), {
      connection: client,
      prefix: tickets.prefix,
      lockDuration: lockMs,
      stalledInterval: Math.min(lockMs / 2, 10_000),
      // How often a run may be begun is for the records to say.
      maxStalledCount: 1_000_000,
      drainDelay: 1,
      runRetryDelay: 500,
    });
    this.#worker = worker;
    // Whoever took a run in may have died before its ticket was made.
    this.#looking = setInterval(() => void tickets.make().catch(() => undefined), lookMs);
    worker.on("locksRenewed", () => this.#inHand?.run.renewed());
    worker.on("error", (error) => {
      // While Redis is gone, the link says so.
      if (link.obstacle === undefined && !signal.aborted && !("syscall" in error)) failed(error);
    });
  }

  /**
   * A ticket is gone for BullMQ when this returns or throws what is none of BullMQ's: then its own run must have ended, lest that
   * run waits without a ticket. Else it is put back.
   */
  async #workOff(ticket: Job, token: string): Promise<void> {
    const { link, store, tickets, clock, failed } = this.#options;
    const { signal } = this.#closing;
    const id = ticket.id ?? "";
    let waitMs = againMs;
    try {
      const next = await link.persist(() => this.#begin(tickets.lockOf(id, token)), signal);
      const finished = typeof next === "object" ? await this.#perform(next) : next;
      const own = await link.persist(() => store.read(id), signal);
      if (own === undefined || hasEnded(own.run)) return;
      if (typeof finished === "number") waitMs = finished;
      else waitMs = typeof finished === "object" ? (finished.retryAt ?? 0) - clock() : 0;
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
    return later(ticket, token, waitMs);
  }

  async #perform(stored: RedisRun): Promise<Finished> {
    const { lockMs, ...options } = this.#options;
    // A lease ends before the lock does.
    const run = new RunInHand(stored, { ...options, leaseMs: lockMs * 0.9, closing: this.#closing.signal });
    const done = run.perform();
    this.#inHand = { run, done: done.catch(() => undefined) };
    try {
      if (this.#closing.signal.aborted) run.giveUp();
      return await done;
    } finally {
      this.#inHand = undefined;
    }
  }

  /**
   * Begins the first run that has not ended; gives how many milliseconds to wait if it is not to be begun yet. Ours is the only
   * active ticket, for as long as we have its lock: a run that is going on according to its record has been left by its worker.
   */
  async #begin(lock: Lock): Promise<RedisRun | number | "none"> {
    const { store, clock, reached } = this.#options;
    const hold = `${lock.key}/${lock.token}`;
    for (;;) {
      const first = (await store.unfinished())[0];
      if (first === undefined) return "none";
      const { id } = first.run;
      // Begun by us a moment ago, and Redis went away before it could say so.
      if (first.run.state === "running" && first.hold === hold) return first;
      const { change } = await store.change(
        id,
        (before) =>
          before.run.state === "running" ? giveBack(before, "its worker died", clock()) : undefined,
        lock,
      );
      let waitMs = 0;
      const begin = (before: RedisRun) => {
        waitMs = (before.retryAt ?? 0) - clock();
        if (before.run.state !== "queued" || waitMs > 0 || this.#closing.signal.aborted) return undefined;
        return { ...begun(before, clock()), hold };
      };
      const { stored, change: beginning } = await store.change(id, begin, lock);
      await reached(beginning ?? change);
      if (beginning !== null) return stored;
      if (this.#closing.signal.aborted) return 0;
      if (waitMs > 0) return waitMs;
    }
  }
}

/** Puts the ticket back; BullMQ is told so by an error. A ticket that was taken away meanwhile is no longer ours to put. */
async function later(ticket: Job, token: string, waitMs: number): Promise<never> {
  if (waitMs > 0) {
    await ticket.moveToDelayed(Date.now() + waitMs, token);
    throw new DelayedError();
  }
  await ticket.moveToWait(token);
  throw new WaitingError();
}

async function within(ms: number, promise: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, enough]).finally(() => clearTimeout(timer));
}
