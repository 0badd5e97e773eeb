import { TidemarkError } from "../views/errors.ts";

/** What the serving layer knows of time. Handed in, so that nothing here reads a clock of its own. */
export interface Clock {
  /** Milliseconds that only rise, from any start. */
  now(): number;
  /** Calls back once after `ms`, unless disposed of before. Does not keep the process alive. */
  after(ms: number, callback: () => void): Disposable;
  /** Resolves after everything else that waits for the thread has had its turn. */
  nextTurn(): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  nextTurn: () => new Promise((resolve) => setImmediate(resolve)),
};

const sliceMs = 5;
/** How many rows go by between two looks at the clock. */
const stride = 64;

/** Lets long loops give up the thread every few milliseconds: `if (turns.isDue()) await turns.next();`. */
export class Turns {
  readonly #clock: Clock;
  readonly #isGone: () => boolean;
  #until: number;
  #rows = 0;

  /** `isGone`: nobody waits for the outcome any more. */
  constructor(clock: Clock, isGone: () => boolean) {
    this.#clock = clock;
    this.#isGone = isGone;
    this.#until = clock.now() + sliceMs;
  }

  isDue(): boolean {
    return ++this.#rows % stride === 0 && this.#clock.now() >= this.#until;
  }

  async next(): Promise<void> {
    await this.#clock.nextTurn();
    if (this.#isGone()) throw new TidemarkError("TIDEMARK_REQUEST", "the client went away before the answer");
    this.#until = this.#clock.now() + sliceMs;
  }
}
