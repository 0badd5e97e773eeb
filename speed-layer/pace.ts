import { setTimeout as pause } from "node:timers/promises";

export interface PaceOptions {
  /** Tells what there is to tell. */
  readonly tell: (signal: AbortSignal) => Promise<void>;
  /** Shortest rest after it, in milliseconds. */
  readonly restMs: number;
  /** From the beginning of one telling to the next while the fold is behind, in milliseconds. */
  readonly behindGapMs: number;
  /** Whether more is to be folded at once than what was: what is folded next changes most of the same states again. */
  readonly isBehind: () => boolean;
  /** Whether somebody waits all the same. */
  readonly isUrgent: () => boolean;
}

/** When a tail is told to those who hold it too: at once, with rests, and from time to time while the fold is behind. */
export class Pace implements AsyncDisposable {
  /** Rejects as `tell` does; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #options: PaceOptions;
  readonly #stop = new AbortController();
  /** To be called when what was there at the time of asking is told. */
  #askers: (() => void)[] = [];
  #wake: () => void = () => {};

  /** Begins at once, in the turn of the event loop after this. */
  constructor(options: PaceOptions) {
    this.#options = options;
    this.done = Promise.resolve().then(() => this.#run());
    this.done.catch(() => {});
  }

  /** There is something to tell. */
  wake(): void {
    this.#wake();
  }

  /** How many wait for `told`. */
  get waiting(): number {
    return this.#askers.length;
  }

  /** Resolves once all that is there by now is told, or can't be, or this is disposed of. */
  told(): Promise<void> {
    return new Promise((resolve) => {
      this.#askers.push(resolve);
      this.#wake();
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { tell, restMs, behindGapMs } = this.#options;
    while (!signal.aborted) {
      // Made before looking: what changes meanwhile is not slept over.
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const start = performance.now();
      const askers = this.#askers.splice(0);
      try {
        await tell(signal).finally(() => {
          for (const told of askers) told();
        });
        // Telling takes half of the time at most.
        await pause(Math.max(restMs, performance.now() - start), undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      await woken;
      await this.#caughtUp(start + behindGapMs);
    }
  }

  /** Or somebody waits; at that time at the latest. */
  #caughtUp(atLatest: number): Promise<void> {
    const { isBehind, isUrgent } = this.#options;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, atLatest - performance.now());
      this.#wake = () => {
        if (isBehind() && !isUrgent() && !this.#stop.signal.aborted) return;
        clearTimeout(timer);
        resolve();
      };
      this.#wake();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.done.catch(() => {});
    for (const told of this.#askers) told();
  }
}
