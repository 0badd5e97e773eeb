import type { ServerResponse } from "node:http";
import type { Jobs, Run } from "../infra/jobs/jobs.ts";
import type { Clock } from "./clock.ts";

const heartbeatMs = 15_000;

/** Server-sent events of runs, written by hand: `progress` while a run goes on, then `end`, each with the whole run. */
export class RunEvents {
  readonly #jobs: Jobs;
  readonly #clock: Clock;
  readonly #open = new Set<() => void>();

  constructor(jobs: Jobs, clock: Clock) {
    this.#jobs = jobs;
    this.#clock = clock;
  }

  /** Writes until the run has ended or the client is gone. A slow client misses progress in between, never the end. */
  async stream({ id }: Run, response: ServerResponse): Promise<void> {
    response.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    const ends: Disposable[] = [];
    const close = () => {
      if (!this.#open.delete(close)) return;
      for (const end of ends) end[Symbol.dispose]();
      response.end();
    };
    this.#open.add(close);
    response.on("close", close);
    response.on("error", close);
    let isDone = false;
    const write = (run: Run) => {
      if (isDone) return;
      isDone = run.finishedAt !== null;
      if (isDone || !response.writableNeedDrain) {
        response.write(`event: ${isDone ? "end" : "progress"}\ndata: ${JSON.stringify(run)}\n\n`);
      }
      if (isDone) close();
    };
    let beat: Disposable | undefined;
    const keepAlive = () => {
      beat = this.#clock.after(heartbeatMs, () => {
        if (!response.writableNeedDrain) response.write(": still here\n\n");
        keepAlive();
      });
    };
    keepAlive();
    ends.push(
      { [Symbol.dispose]: () => beat?.[Symbol.dispose]() },
      this.#jobs.watch((run) => run.id === id && write(run)),
    );
    try {
      // Read after watching began, so that no change falls between.
      const run = await this.#jobs.get(id);
      if (run === undefined || response.destroyed) close();
      else write(run);
    } catch (error) {
      close();
      throw error;
    }
  }

  /** Ends all streams, so that a server can close. */
  endAll(): void {
    for (const close of [...this.#open]) close();
  }
}
