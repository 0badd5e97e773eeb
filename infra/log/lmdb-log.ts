import { setImmediate as turn } from "node:timers/promises";
import type { Offset, Position } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { batchBounds } from "./batch-bounds.ts";
import { GroupCommit } from "./group-commit.ts";
import type { Append, Consumer, Consumption, Log, LogBatch, LogRecord, Topic } from "./log.ts";
import { LogStore, type PartitionId } from "./log-store.ts";
import { PartitionConsumer } from "./partition-consumer.ts";
import type { RecordBatch } from "./record-batch.ts";

export interface LmdbLogOptions {
  /** A folder. */
  readonly path: string;
  readonly topics: readonly Topic[];
  /** One process writes; any number read, of what is durable. */
  readonly mode: "writer" | "reader";
  /** How often a reader looks for new records. Default 25 ms; the writer's own consumers are told at once. */
  readonly pollMs?: number;
  /** Called by a writer after each commit: what `advanced` of a reader is for. */
  readonly onCommit?: () => void;
}

/** The embedded log: one LMDB environment, durable before it acknowledges, group commit, readable by several processes. */
export class LmdbLog implements Log {
  readonly topics: readonly Topic[];
  readonly #store: LogStore;
  readonly #writer: GroupCommit | undefined;
  readonly #pollMs: number;
  readonly #listeners = new Set<() => void>();
  /** By partition, the batch read last, where more of it is to be delivered. */
  readonly #held = new Map<PartitionId, RecordBatch>();
  readonly #consumers = new Set<PartitionConsumer>();

  /**
   * Throws TIDEMARK_STORE_CORRUPT if a topic is stored with another number of partitions, TIDEMARK_NOT_READY if a reader
   * finds no log.
   */
  static async open(options: LmdbLogOptions): Promise<LmdbLog> {
    return new LmdbLog(options, new LogStore(options.path, options.topics, options.mode));
  }

  private constructor(options: LmdbLogOptions, store: LogStore) {
    const { topics, mode, pollMs = 25, onCommit } = options;
    this.topics = topics;
    this.#store = store;
    this.#pollMs = pollMs;
    if (mode === "writer") {
      const names = topics.map(({ name }) => name);
      this.#writer = new GroupCommit(store, names, () => {
        this.advanced();
        onCommit?.();
      });
    }
  }

  /** The records' bytes must not change until it resolves. TIDEMARK_INGEST_DISK if they could not be written. */
  async append(records: readonly Append[]): Promise<Position> {
    return this.#requireWriter().append(records);
  }

  async starts(topic: string): Promise<readonly Offset[]> {
    this.#store.refresh();
    return this.#store.ids(topic).map((id) => this.#store.start(id));
  }

  async nexts(topic: string): Promise<readonly Offset[]> {
    this.#store.refresh();
    return this.#store.ids(topic).map((id) => this.#store.next(id));
  }

  async *read(topic: string, partition: number, from: Offset, next: Offset): AsyncGenerator<LogBatch> {
    const id = this.#store.id(topic, partition);
    this.#store.refresh();
    requireRange(`records [${from}, ${next})`, topic, partition, from, next, [
      this.#store.start(id),
      this.#store.next(id),
    ]);
    let at = from;
    while (at < next) {
      const batch = this.#fetch(topic, partition, at, next);
      if (batch === undefined)
        throw new TidemarkError("TIDEMARK_STORE_GAP", `${topic}/${partition} ends at ${at}`);
      yield batch;
      at = batch.next;
      await turn();
    }
  }

  /** A position beyond the log's end when it starts is TIDEMARK_STORE_OUT_OF_RANGE: the log has lost records. */
  consume(consumption: Consumption): Consumer {
    const { topic, partitions = this.#store.ids(topic).map((_, partition) => partition) } = consumption;
    this.#store.refresh();
    for (const partition of partitions) {
      const id = this.#store.id(topic, partition);
      const at = consumption.position(partition);
      requireRange(`position ${at}`, topic, partition, at, at, [this.#store.start(id), this.#store.next(id)]);
    }
    const consumer = new PartitionConsumer(consumption, {
      partitions,
      fetch: (partition, from) => this.#fetch(topic, partition, from, Number.MAX_SAFE_INTEGER as Offset),
      onAdvance: (listener) => this.#lookOut(listener),
    });
    this.#consumers.add(consumer);
    const forget = () => void this.#consumers.delete(consumer);
    consumer.done.then(forget, forget);
    return consumer;
  }

  /** Durable when it resolves. The store's file keeps the pages, free to be written again. */
  async trim(topic: string, partition: number, before: Offset): Promise<void> {
    this.#requireWriter();
    const id = this.#store.id(topic, partition);
    this.#store.refresh();
    const next = this.#store.next(id);
    if (before > next) {
      throw new TidemarkError(
        "TIDEMARK_STORE_OUT_OF_RANGE",
        `${topic}/${partition} can't be trimmed up to ${before}: it ends at ${next}`,
      );
    }
    await this.#store.trim(id, before);
    this.#held.delete(id);
  }

  /** There may be new records: consumers look at once. For a reader that hears of its writer's commits. */
  advanced(): void {
    this.#store.refresh();
    for (const listener of this.#listeners) listener();
  }

  onAdvance(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Ends what consumes, with the batch in hand, and waits for commits under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const consumer of this.#consumers) await consumer[Symbol.asyncDispose]();
    await this.#writer?.close();
    await this.#store.close();
  }

  #requireWriter(): GroupCommit {
    if (this.#writer !== undefined) return this.#writer;
    throw new TidemarkError(
      "TIDEMARK_STORE_LOCKED",
      "this log was opened to read: another process writes it",
    );
  }

  #lookOut(listener: () => void): Disposable {
    const hearing = this.onAdvance(listener);
    const poll = this.#writer === undefined ? setInterval(() => this.advanced(), this.#pollMs) : undefined;
    return {
      [Symbol.dispose]: () => {
        hearing[Symbol.dispose]();
        clearInterval(poll);
      },
    };
  }

  /** Up to one delivery of records from `from` on; undefined if there is none yet. */
  #fetch(topic: string, partition: number, from: Offset, next: Offset): LogBatch | undefined {
    if (this.#writer !== undefined && from >= this.#writer.next(topic, partition)) return undefined;
    const id = this.#store.id(topic, partition);
    const records: LogRecord[] = [];
    let { maxBytes } = batchBounds;
    let batch = this.#held.get(id);
    for (let at = from; at < next && records.length < batchBounds.maxRecords && maxBytes > 0; ) {
      if (batch === undefined || at < batch.from || at >= batch.next)
        batch = this.#stored(topic, partition, at);
      if (batch === undefined) break;
      maxBytes -= batch.copyInto(records, at, next, { ...batchBounds, maxBytes });
      at = (from + records.length) as Offset;
    }
    const reached = (from + records.length) as Offset;
    if (batch !== undefined && reached < batch.next) this.#held.set(id, batch);
    else this.#held.delete(id);
    if (records.length === 0) return undefined;
    const end = Math.max(reached, this.#store.next(id)) as Offset;
    return { topic, partition, from, next: reached, end, records };
  }

  #stored(topic: string, partition: number, at: Offset) {
    const id = this.#store.id(topic, partition);
    for (const batch of this.#store.batchesFrom(id, at)) {
      if (batch.from <= at) return batch;
      requireRange(`position ${at}`, topic, partition, at, at, [this.#store.start(id), this.#store.next(id)]);
      throw new TidemarkError(
        "TIDEMARK_STORE_GAP",
        `${topic}/${partition} holds no record ${at}: the next one is ${batch.from}`,
      );
    }
    return undefined;
  }
}

function requireRange(
  what: string,
  topic: string,
  partition: number,
  from: Offset,
  next: Offset,
  [first, end]: readonly [Offset, Offset],
): void {
  if (from >= first && from <= next && next <= end) return;
  throw new TidemarkError(
    "TIDEMARK_STORE_OUT_OF_RANGE",
    `${what} of ${topic}/${partition} are not in the log, which holds [${first}, ${end})`,
  );
}
