import type { TidemarkError } from "../views/errors.ts";

/** Lets so many in at a time; those that come after wait for their turn, and no more than so many do. */
export class Admission {
  readonly #most: number;
  readonly #mostWaiting: number;
  readonly #busy: (inside: number, waiting: number) => TidemarkError;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  /** `busy` is what is said to who may not even wait. */
  constructor(most: number, mostWaiting: number, busy: (inside: number, waiting: number) => TidemarkError) {
    this.#most = most;
    this.#mostWaiting = mostWaiting;
    this.#busy = busy;
  }

  /** Throws `busy` if too many wait already; the signal's reason if it aborts before. To be disposed of on leaving. */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#inside < this.#most) this.#inside++;
    else await this.#turn(signal);
    return { [Symbol.dispose]: () => this.#leave() };
  }

  #turn(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length >= this.#mostWaiting) {
      throw this.#busy(this.#most, this.#waiting.length);
    }
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason);
      };
      this.#waiting.push(enter);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** Who waits takes the place of who leaves. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inside--;
    else next();
  }
}
