import type { Consumer } from "../infra/log/log.ts";

/** The consumers of all topics, which can be held up for a while. */
export class Consuming implements AsyncDisposable {
  /** Rejects when one of them fails; resolves once disposed of. */
  readonly done: Promise<void>;
  readonly #start: () => readonly Consumer[];
  #consumers: readonly Consumer[];
  #isClosed = false;
  #fail: (error: unknown) => void = () => {};
  #end: () => void = () => {};

  /** `start` is called now, and after each time that they were held up. Throws what it throws. */
  constructor(start: () => readonly Consumer[]) {
    this.#start = start;
    this.done = new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    this.done.catch(() => undefined);
    this.#consumers = this.#begin();
  }

  /** Does work while nothing is consumed; they go on behind it, whatever becomes of it. */
  async whileStopped(work: () => Promise<void>): Promise<void> {
    await this.#stop();
    try {
      await work();
    } finally {
      if (!this.#isClosed) this.#goOn();
    }
  }

  #goOn(): void {
    try {
      this.#consumers = this.#begin();
    } catch (error) {
      this.#fail(error);
    }
  }

  #begin(): readonly Consumer[] {
    const consumers = this.#start();
    for (const { done } of consumers) done.catch(this.#fail);
    return consumers;
  }

  async #stop(): Promise<void> {
    const consumers = this.#consumers;
    this.#consumers = [];
    for (const consumer of consumers) await consumer[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#stop();
    this.#end();
  }
}
