import type { FastifyReply } from "fastify";
import type { Jobs, Run } from "../infra/jobs/jobs.ts";
import type { Clock } from "./clock.ts";
import { EventStream, eventText } from "./event-stream.ts";

/** Server-sent events of runs: `progress` while a run goes on, then `end`, each with the whole run. */
export class RunEvents {
  readonly #jobs: Jobs;
  readonly #clock: Clock;
  readonly #open = new Set<EventStream>();

  constructor(jobs: Jobs, clock: Clock) {
    this.#jobs = jobs;
    this.#clock = clock;
  }

  /** Writes until the run has ended or the client is gone. A slow client misses progress in between, never the end. */
  async stream({ id }: Run, reply: FastifyReply): Promise<void> {
    const watching: Disposable[] = [];
    const stream = new EventStream(reply, this.#clock, () => {
      this.#open.delete(stream);
      for (const watch of watching) watch[Symbol.dispose]();
    });
    this.#open.add(stream);
    const write = (run: Run) => {
      const isDone = run.finishedAt !== null;
      if (isDone || !stream.isBlocked)
        stream.write(eventText(isDone ? "end" : "progress", JSON.stringify(run)));
      if (isDone) stream.close();
    };
    watching.push(this.#jobs.watch((run) => run.id === id && write(run)));
    try {
      // Read after watching began, so that no change falls between.
      const run = await this.#jobs.get(id);
      if (run === undefined) stream.close();
      else write(run);
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  /** Ends all streams, so that a server can close. */
  endAll(): void {
    for (const stream of [...this.#open]) stream.close();
  }
}
