import type { Clock } from "../clock.ts";

/** Work that is due again and again. */
export interface Task {
  /** When there is something to do, by the clock; undefined: not before somebody says so. */
  readonly dueAt: number | undefined;
  perform(): Promise<void>;
}

/** Performs tasks one after the other, so that they take no more than a share of the time, however much there is to do. */
export class Lane implements Disposable {
  readonly #clock: Clock;
  readonly #share: number;
  readonly #tasks: () => Iterable<Task>;
  #timer: { readonly at: number; readonly handle: Disposable } | undefined;
  #isWorking = false;
  #isClosed = false;
  /** No work before. */
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, share: number, tasks: () => Iterable<Task>) {
    this.#clock = clock;
    this.#share = share;
    this.#tasks = tasks;
  }

  /** Some task may have become due. */
  wake(): void {
    if (this.#isWorking || this.#isClosed) return;
    let due = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#tasks()) if (dueAt !== undefined && dueAt < due) due = dueAt;
    const at = Math.max(due, this.#restsUntil);
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.handle[Symbol.dispose]();
    this.#timer = undefined;
    if (at === Number.POSITIVE_INFINITY) return;
    const handle = this.#clock.after(Math.max(0, Math.ceil(at - this.#clock.now())), () => void this.#work());
    this.#timer = { at, handle };
  }

  async #work(): Promise<void> {
    this.#timer = undefined;
    this.#isWorking = true;
    const startedAt = this.#clock.now();
    for (const task of [...this.#tasks()]) {
      if (task.dueAt !== undefined && task.dueAt <= startedAt && !this.#isClosed) await task.perform();
    }
    const now = this.#clock.now();
    this.#restsUntil = now + (now - startedAt) * (1 / this.#share - 1);
    this.#isWorking = false;
    this.wake();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer?.handle[Symbol.dispose]();
  }
}
