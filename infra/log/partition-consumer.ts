import type { Offset } from "../../views/cut.ts";
import { ownTurn } from "../turn.ts";
import type { Consumer, Consumption, LogBatch } from "./log.ts";

/** Where a consumer's batches come from. */
export interface BatchSource {
  readonly partitions: readonly number[];
  /** A batch that begins at the offset; undefined while there is no such record. */
  fetch(partition: number, from: Offset): LogBatch | undefined;
  /** Calls back whenever there may be new records. */
  onAdvance(listener: () => void): Disposable;
}

/** Follows partitions of a topic side by side, each in order with one batch in hand. */
export class PartitionConsumer implements Consumer {
  readonly done: Promise<void>;
  readonly #consumption: Consumption;
  readonly #source: BatchSource;
  #isStopped = false;
  #waiting: (() => void)[] = [];

  constructor(consumption: Consumption, source: BatchSource) {
    this.#consumption = consumption;
    this.#source = source;
    this.done = this.#run();
  }

  async #run(): Promise<void> {
    const advance = this.#source.onAdvance(() => this.#wake());
    const loops = this.#source.partitions.map((partition) =>
      this.#follow(partition).finally(() => this.#stop()),
    );
    try {
      const outcomes = await Promise.allSettled(loops);
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    } finally {
      advance[Symbol.dispose]();
    }
  }

  async #follow(partition: number): Promise<void> {
    // So that nothing is handled before the caller holds the consumer.
    await ownTurn();
    while (!this.#isStopped) {
      const batch = this.#source.fetch(partition, this.#consumption.position(partition));
      if (batch === undefined) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        continue;
      }
      await this.#consumption.handle(batch);
      // A handler that never waits must not keep the event loop from everyone else.
      await ownTurn();
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  #stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    // `done` tells why it failed, if it did; the end is the same.
    await this.done.catch(() => undefined);
  }
}
