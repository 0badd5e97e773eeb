import { setImmediate as turn } from "node:timers/promises";
import type { Offset, Position } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { batchBounds } from "../log/batch-bounds.ts";
import type { Append, Consumer, Consumption, Log, LogBatch, LogRecord, Topic } from "../log/log.ts";
import type { Timers } from "../timers.ts";
import { Backoff } from "./backoff.ts";
import { KafkaConnections } from "./connections.ts";
import { deleteRecordsRequest } from "./delete-records.ts";
import { fetchRequest } from "./fetch.ts";
import { FetchedRecords } from "./fetched-records.ts";
import { KafkaAppends } from "./kafka-appends.ts";
import { KafkaConsumer } from "./kafka-consumer.ts";
import { isPassing, KafkaError, noLeader, outOfRange, reasonOf, requireSuccess } from "./kafka-error.ts";
import type { Bound } from "./list-offsets.ts";
import type { KafkaSettings } from "./settings.ts";
import { requireTopics } from "./topic-faults.ts";

export interface KafkaLogOptions {
  readonly settings: KafkaSettings;
  readonly topics: readonly Topic[];
  /** Hears of what is tried again. */
  readonly warn?: (message: string) => void;
  /** How long an append is tried before it is refused. Default 30 s. */
  readonly deliveryMs?: number;
  readonly timers?: Timers;
  readonly now?: () => number;
}

/** What is read is there: a broker waits only if it has just become the leader, and does not know it yet. */
const readWaitMs = 50;

/**
 * The log on Kafka: partitions and offsets are Kafka's own, appends are acknowledged by all replicas in sync, and only
 * committed records are seen. Any number of processes append and read.
 */
export class KafkaLog implements Log {
  readonly topics: readonly Topic[];
  readonly #settings: KafkaSettings;
  readonly #warn: (message: string) => void;
  readonly #timers: Timers;
  /** For appends, which may wait for replicas. */
  readonly #writing: KafkaConnections;
  /** For reading what is there and asking where it ends, which never wait. */
  readonly #asking: KafkaConnections;
  readonly #appends: KafkaAppends;
  readonly #consumers = new Set<Consumer>();
  #isClosed = false;

  /** Throws TIDEMARK_KAFKA_UNREACHABLE, TIDEMARK_KAFKA_TOPIC_MISSING, TIDEMARK_KAFKA_PARTITIONS: each says what to do. */
  static async open(options: KafkaLogOptions): Promise<KafkaLog> {
    const log = new KafkaLog(options);
    try {
      const names = options.topics.map(({ name }) => name);
      requireTopics(options.topics, await log.#asking.refresh(names));
      await log.#writing.refresh(names);
    } catch (failure) {
      await log[Symbol.asyncDispose]();
      throw failure;
    }
    return log;
  }

  private constructor(options: KafkaLogOptions) {
    const { settings, topics, warn = () => undefined, timers = globalThis } = options;
    this.topics = topics;
    this.#settings = settings;
    this.#warn = warn;
    this.#timers = timers;
    this.#writing = new KafkaConnections(settings);
    this.#asking = new KafkaConnections(settings);
    this.#appends = new KafkaAppends(this.#writing, topics, {
      warn,
      timers,
      now: options.now ?? Date.now,
      deliveryMs: options.deliveryMs ?? 30_000,
    });
  }

  /**
   * The records' bytes must not change until it resolves. TIDEMARK_INGEST_LOG if Kafka did not acknowledge them in time; they
   * may be written all the same, and again when they are sent again: duplicates.
   */
  async append(records: readonly Append[]): Promise<Position> {
    for (const { topic, partition } of records) this.#requirePartition(topic, partition);
    return records.length === 0 ? new Map() : this.#appends.append(records);
  }

  async starts(topic: string): Promise<readonly Offset[]> {
    return this.#offsets(topic, this.#partitions(topic), "start");
  }

  async nexts(topic: string): Promise<readonly Offset[]> {
    return this.#offsets(topic, this.#partitions(topic), "end");
  }

  /** By partition, the offset after all records that were acknowledged, also those that readers do not get to see yet. */
  async written(topic: string): Promise<readonly Offset[]> {
    return this.#offsets(topic, this.#partitions(topic), "written");
  }

  async *read(topic: string, partition: number, from: Offset, next: Offset): AsyncGenerator<LogBatch> {
    this.#requirePartition(topic, partition);
    await this.#requireHeld(topic, partition, from, next);
    let fetched = from < next ? this.#fetch(topic, partition, from) : undefined;
    let at = from;
    while (fetched !== undefined) {
      const records = await fetched;
      const reached = Math.min(records.next() ?? at, next) as Offset;
      fetched = reached < next ? this.#fetch(topic, partition, reached) : undefined;
      // Should the reader stop here, nobody asks any more.
      fetched?.catch(() => undefined);
      while (at < reached) {
        const taken: LogRecord[] = [];
        const upTo = records.take(at, reached, taken, batchBounds);
        yield { topic, partition, from: at, next: upTo, end: next, records: taken };
        at = upTo;
        await turn();
      }
    }
  }

  consume(consumption: Consumption): Consumer {
    const { topic, partitions = this.#partitions(topic) } = consumption;
    for (const partition of partitions) this.#requirePartition(topic, partition);
    const consumer = new KafkaConsumer(consumption, {
      connections: new KafkaConnections(this.#settings),
      partitions,
      warn: this.#warn,
      timers: this.#timers,
      requireHeld: (partition, at) => this.#requireHeld(topic, partition, at, at),
    });
    this.#consumers.add(consumer);
    const forget = () => void this.#consumers.delete(consumer);
    consumer.done.then(forget, forget);
    return consumer;
  }

  async trim(topic: string, partition: number, before: Offset): Promise<void> {
    this.#requirePartition(topic, partition);
    const [[start = 0], [next = 0]] = await Promise.all([
      this.#offsets(topic, [partition], "start"),
      this.#offsets(topic, [partition], "end"),
    ]);
    if (before > next) {
      throw new TidemarkError(
        "TIDEMARK_STORE_OUT_OF_RANGE",
        `${topic}/${partition} can't be trimmed up to ${before}: it ends at ${next}`,
      );
    }
    if (before <= start) return;
    await this.#again(topic, async () => {
      const leader = this.#leader(topic, partition);
      const { errorCode } = await this.#asking.send(leader, deleteRecordsRequest(topic, partition, before));
      requireSuccess(errorCode);
    });
  }

  /** Ends what consumes, with the batch in hand, and waits for appends under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const consumer of this.#consumers) await consumer[Symbol.asyncDispose]();
    await this.#appends.close();
    this.#isClosed = true;
    await this.#writing[Symbol.asyncDispose]();
    await this.#asking[Symbol.asyncDispose]();
  }

  #offsets(topic: string, partitions: readonly number[], bound: Bound): Promise<readonly Offset[]> {
    return this.#again(topic, () => this.#asking.offsets(topic, partitions, bound));
  }

  #fetch(topic: string, partition: number, from: Offset): Promise<FetchedRecords> {
    const request = fetchRequest(topic, new Map([[partition, from]]), readWaitMs);
    return this.#again(topic, async () => {
      const { errorCode, partitions } = await this.#asking.send(this.#leader(topic, partition), request);
      const [answer] = partitions;
      if (answer?.errorCode === outOfRange) await this.#requireHeld(topic, partition, from, from);
      requireSuccess(errorCode || (answer?.errorCode ?? -1));
      return new FetchedRecords(
        `${topic}/${partition}`,
        answer?.batches ?? Buffer.alloc(0),
        answer?.aborted ?? [],
      );
    });
  }

  #leader(topic: string, partition: number): number {
    const leader = this.#asking.leader(topic, partition);
    if (leader === undefined) throw new KafkaError(noLeader);
    return leader;
  }

  /** Tries until it succeeds, or the reason is none that passes, or the log is closed. */
  async #again<T>(topic: string, ask: () => Promise<T>): Promise<T> {
    const backoff = new Backoff(this.#timers);
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (this.#isClosed || !isPassing(error)) throw error;
        this.#warn(`${topic} is asked again: ${reasonOf(error)}`);
      }
      await backoff.pause();
      await this.#asking.refresh([topic]).catch(() => undefined);
    }
  }

  async #requireHeld(topic: string, partition: number, from: Offset, next: Offset): Promise<void> {
    const [[start = 0], [end = 0]] = await Promise.all([
      this.#offsets(topic, [partition], "start"),
      this.#offsets(topic, [partition], "end"),
    ]);
    if (from >= start && from <= next && next <= end) return;
    const what = from === next ? `position ${from}` : `records [${from}, ${next})`;
    throw new TidemarkError(
      "TIDEMARK_STORE_OUT_OF_RANGE",
      `${what} of ${topic}/${partition} are not in the log, which holds [${start}, ${end})`,
    );
  }

  #partitions(topic: string): readonly number[] {
    return Array.from({ length: this.#topic(topic).partitions }, (_, partition) => partition);
  }

  #topic(topic: string): Topic {
    const found = this.topics.find(({ name }) => name === topic);
    if (found !== undefined) return found;
    throw new TidemarkError(
      "TIDEMARK_STORE_OUT_OF_RANGE",
      `the log was not opened with topic "${topic}", but with ${this.topics.map(({ name }) => name).join(", ")}`,
    );
  }

  #requirePartition(topic: string, partition: number): void {
    const { partitions } = this.#topic(topic);
    if (partition < partitions) return;
    throw new TidemarkError(
      "TIDEMARK_STORE_OUT_OF_RANGE",
      `topic "${topic}" has partitions 0 to ${partitions - 1}, but no ${partition}`,
    );
  }
}
