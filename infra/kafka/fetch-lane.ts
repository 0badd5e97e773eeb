import type { Offset } from "../../views/cut.ts";
import { batchBounds } from "../log/batch-bounds.ts";
import type { LogBatch, LogRecord } from "../log/log.ts";
import type { FetchedPartition } from "./fetch.ts";
import { FetchedRecords } from "./fetched-records.ts";
import { Signal } from "./signal.ts";

interface Chunk {
  readonly records: FetchedRecords;
  readonly next: Offset;
  readonly end: Offset;
}

/** A partition that is read on and on: what was fetched of it and has not been taken yet, one fetch ahead at most. */
export class FetchLane {
  readonly topic: string;
  readonly partition: number;
  /** The broker to ask; undefined while it is looked for. */
  leader: number | undefined;
  /** Whether the last fetch of it failed. */
  isTroubled = false;
  #chunks: Chunk[] = [];
  /** The offset of the next record to be taken. */
  #at: Offset;
  /** Where the next fetch begins. */
  #fetchFrom: Offset;
  #isWaiting = false;
  readonly #arrived = new Signal();

  constructor(topic: string, partition: number, at: Offset) {
    this.topic = topic;
    this.partition = partition;
    this.#at = at;
    this.#fetchFrom = at;
  }

  get fetchFrom(): Offset {
    return this.#fetchFrom;
  }

  /** Whether nothing of it is in hand: its position is its own to ask. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Whether there is room: for what is fetched while the chunk in hand is taken. */
  get wantsMore(): boolean {
    return this.#chunks.length < 2;
  }

  /** The next record to be taken is that at `at`, wherever it lies. */
  moveTo(at: Offset): void {
    if (at === this.#at) return;
    if (at < this.#at || at >= this.#fetchFrom) {
      this.#chunks = [];
      this.#fetchFrom = at;
    }
    while (this.#chunks[0] !== undefined && this.#chunks[0].next <= at) this.#chunks.shift();
    this.#at = at;
  }

  /** What a fetch from `from` on brought; let go of if the lane has moved meanwhile. */
  put(from: Offset, { batches, aborted, end }: FetchedPartition): void {
    if (from !== this.#fetchFrom) return;
    const records = new FetchedRecords(`${this.topic}/${this.partition}`, batches, aborted);
    const next = records.next();
    // Nothing, or what ends before the position: nothing more than that was there.
    if (next === undefined || next <= from) return;
    this.#chunks.push({ records, next, end });
    this.#fetchFrom = next;
    this.#arrived.raise();
  }

  /** A delivery; undefined if there is nothing yet. It may have no records: where the offsets are gaps. */
  take(): LogBatch | undefined {
    const [chunk] = this.#chunks;
    if (chunk === undefined) return undefined;
    const { topic, partition } = this;
    const from = this.#at;
    const records: LogRecord[] = [];
    const next = chunk.records.take(from, chunk.next, records, batchBounds);
    if (next >= chunk.next) this.#chunks.shift();
    this.#at = next;
    return { topic, partition, from, next, end: Math.max(next, chunk.end) as Offset, records };
  }

  /** Resolves when something is put, or by `wake`. */
  async arrival(): Promise<void> {
    this.#isWaiting = true;
    await this.#arrived.wait();
    this.#isWaiting = false;
  }

  wake(): void {
    this.#arrived.raise();
  }
}
