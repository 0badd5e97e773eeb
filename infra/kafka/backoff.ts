import type { Timers } from "../timers.ts";

/** Pauses between tries: longer each time, up to a bound; a stop ends the one under way. */
export class Backoff {
  readonly #timers: Timers;
  readonly #firstMs: number;
  readonly #longestMs: number;
  #tries = 0;
  #isStopped = false;
  #wake: () => void = () => undefined;

  constructor(timers: Timers, firstMs = 50, longestMs = 2_000) {
    this.#timers = timers;
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  get tries(): number {
    return this.#tries;
  }

  async pause(): Promise<void> {
    if (this.#isStopped) return;
    const ms = Math.min(this.#firstMs * 2 ** this.#tries++, this.#longestMs);
    await new Promise<void>((resolve) => {
      const timer = this.#timers.setTimeout(resolve, ms);
      this.#wake = () => {
        this.#timers.clearTimeout(timer);
        resolve();
      };
    });
  }

  reset(): void {
    this.#tries = 0;
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }
}
