import type { Chain } from "../infra/tail/chain.ts";
import type { TailCheckpoint } from "../infra/tail/checkpoint.ts";
import type { Timers } from "../infra/timers.ts";

export interface CheckpointingOptions {
  readonly checkpoint: TailCheckpoint;
  readonly chains: readonly Chain[];
  readonly timers: Timers;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** What a restart has to read again at most, beside what the cost allows: a second or two of work after a burst. */
const minIntervalMs = 5_000;
/** Checkpoints take at most about this part of the time, one in so many; four fifths of that are rests. */
const intervalPerDuration = 4;

/** Writes checkpoints, now and then and on request. */
export class Checkpointing implements AsyncDisposable {
  /** Rejects once a checkpoint could not be written; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #options: CheckpointingOptions;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(options: CheckpointingOptions) {
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#schedule(minIntervalMs);
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#options.timers.setTimeout(() => {
      void this.#writeInTurn();
    }, delayMs);
  }

  async #writeInTurn(): Promise<void> {
    const { checkpoint, chains, now } = this.#options;
    const start = now();
    try {
      await this.#write(() => checkpoint.writeAtLeisure(chains));
    } catch {
      // It was told through `done`.
      return;
    }
    if (!this.#isDisposed) this.#schedule(Math.max(minIntervalMs, intervalPerDuration * (now() - start)));
  }

  /** Resolves once what is in the chains now is durable. */
  write(): Promise<void> {
    const { checkpoint, chains } = this.#options;
    return this.#write(() => checkpoint.write(chains));
  }

  async #write(changed: () => Promise<void>): Promise<void> {
    const { checkpoint, chains } = this.#options;
    try {
      await (chains.some((chain) => chain.hasChanged) ? changed() : checkpoint.written());
    } catch (error) {
      this.#reject(error);
      throw error;
    }
  }

  /** Writes a last one. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#options.timers.clearTimeout(this.#timer);
    await this.write();
    this.#resolve();
  }
}
