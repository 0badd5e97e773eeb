import type { Cut, Offset, Position } from "../../views/cut.ts";

/** Read back, a value is bytes; of a name that was given twice, the last value. */
export type RecordHeaders = Readonly<Record<string, Uint8Array | string>>;

/** A record as it stands in the log. */
export interface LogRecord {
  readonly offset: Offset;
  /** As UTF-8. */
  readonly key: string | null;
  /** Empty for a Kafka record without a value. */
  readonly value: Uint8Array;
  /** Undefined where there are none. */
  readonly headers: RecordHeaders | undefined;
  /** When, by what Kafka says; undefined in the embedded log. */
  readonly timestampMs: number | undefined;
}

/** Records `[from, next)` of one partition, in order. */
export interface LogBatch {
  readonly topic: string;
  readonly partition: number;
  readonly from: Offset;
  readonly next: Offset;
  /** As far as was known when it was read, where the partition ends: beyond `next` there is more to come at once. */
  readonly end: Offset;
  readonly records: readonly LogRecord[];
  /**
   * Where records stand that nobody reads any more, since the key that they were encrypted with was destroyed, or
   * retired before they were written; undefined where none do. They are not among the records: to a reader they are
   * gaps.
   */
  readonly forgotten?: readonly Offset[];
}

/** What a producer hands in: the partition was chosen already (`partitionOf`). */
export interface Append {
  readonly topic: string;
  readonly partition: number;
  readonly key: string | null;
  readonly value: Uint8Array;
  /** Kafka writes no value then, the end of the key in a compacted topic; `value` must be empty, and is when read back. */
  readonly isWithoutValue?: boolean;
  readonly headers?: RecordHeaders;
}

export interface Topic {
  readonly name: string;
  readonly partitions: number;
}

export interface Consumption {
  readonly topic: string;
  /** Default: all of the topic's. */
  readonly partitions?: readonly number[];
  /** Asked before each fetch: where to read on. Moving it forward skips; a consumer never goes on by itself. */
  position(partition: number): Offset;
  /** Batches of a partition come in order, one at a time: the next is fetched when this one is handled. */
  handle(batch: LogBatch): Promise<void> | void;
}

/** A running consumer; disposing of it waits for the batch in hand. */
export interface Consumer extends AsyncDisposable {
  /**
   * Rejects when the consumer fails for good (a handler threw, the log is gone, or holds a position no longer or not yet:
   * TIDEMARK_STORE_OUT_OF_RANGE); resolves once disposed of.
   */
  readonly done: Promise<void>;
}

/** By topic, the next offset of each partition. */
export async function logEnd(log: Pick<Log, "nexts">, topics: readonly Pick<Topic, "name">[]): Promise<Cut> {
  const end: Record<string, readonly Offset[]> = {};
  for (const { name } of topics) end[name] = await log.nexts(name);
  return end;
}

/** Lets go of all that lies before the cut. */
export async function trimUpTo(log: Pick<Log, "trim">, cut: Cut): Promise<void> {
  for (const [topic, nexts] of Object.entries(cut)) {
    for (const [partition, next] of nexts.entries()) await log.trim(topic, partition, next);
  }
}

/**
 * Partitioned, append-only, offset-addressed records. Offsets count from 0 without gaps in the embedded log; a reader
 * must not rely on that (Kafka's may have gaps), only on their order.
 */
export interface Log extends AsyncDisposable {
  readonly topics: readonly Topic[];
  /** Resolves once every record is durable, with the next offset after the last one of each partition touched. */
  append(records: readonly Append[]): Promise<Position>;
  /** First offset still held, by partition. */
  starts(topic: string): Promise<readonly Offset[]>;
  /** Next offset to be written, durable records only, by partition. */
  nexts(topic: string): Promise<readonly Offset[]>;
  /** All records of `[from, next)`, then ends. TIDEMARK_STORE_OUT_OF_RANGE if the log no longer or not yet holds them. */
  read(topic: string, partition: number, from: Offset, next: Offset): AsyncIterable<LogBatch>;
  /** Delivers every record from the position on as it becomes durable, until disposed of. May throw what `done` rejects with. */
  consume(consumption: Consumption): Consumer;
  /** Records before it may be forgotten: `starts` then says so. TIDEMARK_STORE_OUT_OF_RANGE beyond the end. */
  trim(topic: string, partition: number, before: Offset): Promise<void>;
  /** Calls back when there may be new records; where this is, that is before anyone who is served here hears of them. */
  onAdvance?(listener: () => void): Disposable;
}
