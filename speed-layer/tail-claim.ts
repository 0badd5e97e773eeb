import type { Consumer, Log, LogBatch } from "../infra/log/log.ts";
import { PartitionReplica, viewsOf } from "../infra/tail/partition-replica.ts";
import { decodeTailRecord, type TailRecord, tailAppend, tailTopic } from "../infra/tail/tail-record.ts";
import type { App } from "../views/app.ts";
import type { Offset } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";

export interface TailClaimParts {
  /** Has the tail topic. */
  readonly log: Log;
  readonly app: App;
  /** Of the events. */
  readonly topic: string;
  readonly partition: number;
  readonly newId: () => string;
  readonly signal: AbortSignal;
}

/** What others may ask an owner for. Each must end up as a record of the tail topic that names the request. */
export interface Answering {
  seal(request: string): void;
  renew(request: string): void;
}

/**
 * A claim of one partition, and the tail topic as its owner hears it: all that stands before the claim, and from then on what
 * others ask for. Nothing that another writes counts while it holds, unless that one claims in turn.
 */
export class TailClaim implements AsyncDisposable {
  readonly owner: string;
  /** What was told before the claim. */
  readonly replica: PartitionReplica;
  /** Resolves when another has claimed the partition: this one's word counts no more. */
  readonly lost: Promise<void>;
  /** Rejects when the tail topic can't be followed any more. */
  readonly failed: Promise<never>;
  readonly #parts: TailClaimParts;
  #consumer: Consumer | undefined;
  #next = 0 as Offset;
  #bytes = 0;
  /** Once it holds. */
  #epoch: number | undefined;
  /** Where the claim stands that began the last snapshot. */
  #claimedAt = 0 as Offset;
  /** What was asked for and not answered. */
  #seal: string | undefined;
  #renewal: string | undefined;
  #answering: Answering | undefined;
  #claimed: () => void = () => {};
  #lose: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(parts: TailClaimParts) {
    this.#parts = parts;
    this.owner = parts.newId();
    this.replica = new PartitionReplica(viewsOf(parts.app, parts.topic, parts.partition));
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    this.failed = new Promise<never>((_resolve, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  /** 0 before it holds. */
  get epoch(): number {
    return this.#epoch ?? 0;
  }

  /** How much of the tail topic was read to begin. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Resolves once the claim is in the tail topic, counts, and all that stands before it is known. */
  async take(): Promise<void> {
    await this.#read();
    await this.#claim();
  }

  /** From now on requests are heard, first those that nobody has answered yet. */
  answer(answering: Answering): void {
    this.#answering = answering;
    if (this.#seal !== undefined) answering.seal(this.#seal);
    if (this.#renewal !== undefined) answering.renew(this.#renewal);
  }

  get #topic(): string {
    return tailTopic(this.#parts.topic);
  }

  async #read(): Promise<void> {
    const { log, partition, signal } = this.#parts;
    for (;;) {
      const start = (await log.starts(this.#topic))[partition] ?? (0 as Offset);
      const end = (await log.nexts(this.#topic))[partition] ?? (0 as Offset);
      if (this.#next < start) {
        this.replica.reset();
        this.#next = start;
      }
      try {
        for await (const batch of log.read(this.#topic, partition, this.#next, end)) {
          signal.throwIfAborted();
          this.#hearAll(batch);
        }
        return;
      } catch (error) {
        // The owner before this one has trimmed what was being read.
        if (!(error instanceof TidemarkError) || error.code !== "TIDEMARK_STORE_OUT_OF_RANGE") throw error;
      }
    }
  }

  async #claim(): Promise<void> {
    const { log, partition, signal } = this.#parts;
    const claimed = new Promise<void>((resolve) => {
      this.#claimed = resolve;
    });
    signal.throwIfAborted();
    const consumer = log.consume({
      topic: this.#topic,
      partitions: [partition],
      position: () => this.#next,
      handle: (batch) => this.#hearAll(batch),
    });
    this.#consumer = consumer;
    consumer.done.catch((error) => this.#fail(error));
    await this.#append({ kind: "claim", epoch: this.replica.epoch + 1, owner: this.owner });
    await Promise.race([claimed, consumer.done]);
    signal.throwIfAborted();
  }

  #hearAll({ records, next }: LogBatch): void {
    for (const { offset, key, value } of records) {
      if (this.#epoch === undefined) this.#bytes += value.length;
      // States are its own now, or those of one whose word does not count.
      else if (key === "rows" || key === "segment") continue;
      this.#hear(decodeTailRecord(value), offset);
    }
    this.#next = next;
  }

  #hear(record: TailRecord, at: Offset): void {
    switch (record.kind) {
      case "claim":
        this.#hearClaim(record, at);
        return;
      case "seal-request":
        this.#seal = record.request;
        this.#answering?.seal(record.request);
        return;
      case "renew-request":
        this.#renewal = record.request;
        this.#answering?.renew(record.request);
        return;
      case "sealed":
        if (record.request === this.#seal) this.#seal = undefined;
        return;
      case "snapshot":
        if (this.#epoch === undefined) this.replica.apply(record);
        if (record.epoch !== this.replica.epoch) return;
        if (record.request === this.#renewal) this.#renewal = undefined;
        if (record.epoch === this.#epoch) this.#trim();
        return;
      default:
        if (this.#epoch === undefined) this.replica.apply(record);
    }
  }

  #hearClaim(record: Extract<TailRecord, { readonly kind: "claim" }>, at: Offset): void {
    const counts = this.replica.apply(record);
    if (record.owner !== this.owner) {
      if (counts && this.#epoch !== undefined) this.#lose();
      return;
    }
    if (counts) {
      this.#epoch = record.epoch;
      this.#claimedAt = at;
      this.#claimed();
    } else if (this.#epoch === undefined) {
      // Another took the same epoch a moment earlier.
      const epoch = this.replica.epoch + 1;
      this.#append({ kind: "claim", epoch, owner: this.owner }).catch((error) => this.#fail(error));
    }
  }

  #trim(): void {
    const { log, partition } = this.#parts;
    log.trim(this.#topic, partition, this.#claimedAt).catch((error) => this.#fail(error));
  }

  async #append(record: TailRecord): Promise<void> {
    const { log, topic, partition } = this.#parts;
    await log.append([tailAppend(topic, partition, record)]);
  }

  /** What it has claimed stays claimed until another does. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#claimed();
    await this.#consumer?.[Symbol.asyncDispose]();
  }
}
