import type { Queue } from "bullmq";
import type { RedisLink } from "../redis/redis-link.ts";
import type { Lock, RedisRunStore } from "./redis-run-store.ts";

/**
 * BullMQ's jobs: each is a turn to work off the run that is first, whichever that is then. There is at
 * least one for each run that has not ended; one too many finds nothing to do. So order is what the records
 * say, and a ticket may be lost or made twice.
 */
export class Tickets {
  readonly #queue: Queue;
  readonly #link: RedisLink;
  readonly #store: RedisRunStore;

  constructor(queue: Queue, link: RedisLink, store: RedisRunStore) {
    this.#queue = queue;
    this.#link = link;
    this.#store = store;
  }

  get queueName(): string {
    return this.#queue.name;
  }

  get prefix(): string {
    return this.#queue.opts.prefix ?? "";
  }

  /** What BullMQ holds while a worker has the ticket, and lets lapse when the worker isn't heard of. */
  lockOf(ticketId: string, token: string): Lock {
    return { key: `${this.#queue.toKey(ticketId)}:lock`, token };
  }

  /** Makes what tickets are missing, and lets one be worked off at a time. */
  async make(): Promise<void> {
    const runs = await this.#store.unfinished();
    await this.#link.perform(async () => {
      await this.#queue.setGlobalConcurrency(1);
      // BullMQ adds no job whose id it has. What has ended is forgotten: our records remember it.
      for (const { run } of runs) {
        await this.#queue.add("run", {}, { jobId: run.id, removeOnComplete: true, removeOnFail: true });
      }
    });
  }
}
