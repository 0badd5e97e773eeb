import type { Offset, Position } from "../../views/cut.ts";
import type { Append } from "../log/log.ts";
import { recordBound } from "./encode-records.ts";

/** One call of `append`: done when each of its pieces is. */
export class AppendCall {
  readonly done: Promise<Position>;
  readonly deadline: number;
  readonly #position = new Map<string, Map<number, Offset>>();
  #resolve: (position: Position) => void = () => undefined;
  #reject: (reason: unknown) => void = () => undefined;
  #left = 0;

  constructor(deadline: number) {
    this.deadline = deadline;
    this.done = new Promise<Position>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  add(): void {
    this.#left++;
  }

  reached(topic: string, partition: number, next: Offset): void {
    const nexts = this.#position.get(topic) ?? new Map<number, Offset>();
    nexts.set(partition, next);
    this.#position.set(topic, nexts);
    if (--this.#left === 0) this.#resolve(this.#position);
  }

  fail(reason: unknown): void {
    this.#reject(reason);
  }
}

interface Piece {
  readonly call: AppendCall;
  readonly records: readonly Append[];
  readonly bytes: number;
}

/** Kafka takes a batch of 1 MiB unless it is told otherwise; a larger single record has a batch of its own. */
const maxBatchBytes = 512 * 1024;

/** What waits to be written to one partition, in the order of the calls. One batch is under way at most. */
export class AppendLane {
  readonly topic: string;
  readonly partition: number;
  readonly #waiting: Piece[] = [];
  #taken: Piece[] = [];

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get isReady(): boolean {
    return this.#taken.length === 0 && this.#waiting.length > 0;
  }

  get isIdle(): boolean {
    return this.#taken.length === 0 && this.#waiting.length === 0;
  }

  add(call: AppendCall, records: readonly Append[]): void {
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < records.length; i++) {
      const size = recordBound(records[i] as Append);
      if (i > from && bytes + size > maxBatchBytes) {
        this.#push({ call, records: records.slice(from, i), bytes });
        from = i;
        bytes = 0;
      }
      bytes += size;
    }
    this.#push({ call, records: records.slice(from), bytes });
  }

  /** The records of the next batch. They are under way until `succeed`, `putBack` or `fail`. */
  take(): readonly Append[] {
    let bytes = 0;
    let count = 0;
    for (const piece of this.#waiting) {
      bytes += piece.bytes;
      if (count > 0 && bytes > maxBatchBytes) break;
      count++;
    }
    this.#taken = this.#waiting.splice(0, count);
    return this.#taken.flatMap(({ records }) => records);
  }

  succeed(baseOffset: number): void {
    let next = baseOffset;
    for (const { call, records } of this.#takeBack()) {
      next += records.length;
      call.reached(this.topic, this.partition, next as Offset);
    }
  }

  /** To be tried again, before all that came later. */
  putBack(): void {
    this.#waiting.unshift(...this.#takeBack());
  }

  fail(reason: unknown): void {
    for (const { call } of this.#takeBack()) call.fail(reason);
  }

  /** Gives up what has waited for too long. */
  expire(now: number, reason: (topic: string, partition: number) => unknown): void {
    let count = 0;
    while ((this.#waiting[count]?.call.deadline ?? Number.POSITIVE_INFINITY) <= now) count++;
    for (const { call } of this.#waiting.splice(0, count)) call.fail(reason(this.topic, this.partition));
  }

  #push(piece: Piece): void {
    piece.call.add();
    this.#waiting.push(piece);
  }

  #takeBack(): Piece[] {
    const taken = this.#taken;
    this.#taken = [];
    return taken;
  }
}
