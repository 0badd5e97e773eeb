import type { Offset, Position } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { BatchMemory } from "./batch-memory.ts";
import type { Append } from "./log.ts";
import type { LogStore, PartitionId } from "./log-store.ts";
import { packRecords, type RecordBatch } from "./record-batch.ts";

interface Waiting {
  readonly records: readonly Append[];
  readonly bytes: number;
  readonly resolve: (position: Position) => void;
  readonly reject: (reason: unknown) => void;
}

/** A partition as the one writer knows it. */
interface Partition {
  readonly id: PartitionId;
  readonly topic: string;
  readonly partition: number;
  next: Offset;
  /** Records of the commit in the making. */
  records: Append[];
}

/** Packing is done on the event loop: this much at a time. */
const maxCommitBytes = 8 * 1024 * 1024;

/** Appends that arrive while one commit is under way go together into the next one. */
export class GroupCommit {
  readonly #store: LogStore;
  readonly #onCommit: () => void;
  readonly #partitions = new Map<string, readonly Partition[]>();
  readonly #memory = new BatchMemory(maxCommitBytes);
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;
  #isClosed = false;

  constructor(store: LogStore, topics: readonly string[], onCommit: () => void) {
    this.#store = store;
    this.#onCommit = onCommit;
    for (const topic of topics) {
      this.#partitions.set(
        topic,
        store
          .ids(topic)
          .map((id, partition) => ({ id, topic, partition, next: store.next(id), records: [] })),
      );
    }
  }

  next(topic: string, partition: number): Offset {
    return this.#partition(topic, partition).next;
  }

  async append(records: readonly Append[]): Promise<Position> {
    if (this.#isClosed) throw new TidemarkError("TIDEMARK_NOT_READY", "the log is closed");
    let bytes = 0;
    for (const record of records) {
      this.#partition(record.topic, record.partition);
      bytes += record.value.length;
    }
    if (records.length === 0) return new Map();
    const durable = new Promise<Position>((resolve, reject) => {
      this.#waiting.push({ records, bytes, resolve, reject });
    });
    this.#committing ??= this.#commitAll();
    return durable;
  }

  /** Waits for what was appended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#committing;
  }

  #partition(topic: string, partition: number): Partition {
    const found = this.#partitions.get(topic)?.[partition];
    // An unknown one throws here, with its reason.
    if (found === undefined) throw new Error(`partition ${this.#store.id(topic, partition)} is unknown`);
    return found;
  }

  async #commitAll(): Promise<void> {
    // Appends of the same turn belong together.
    await undefined;
    while (this.#waiting.length > 0) await this.#commit(this.#takeGroup());
    this.#committing = undefined;
  }

  #takeGroup(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const append of this.#waiting) {
      bytes += append.bytes;
      if (count > 0 && bytes > maxCommitBytes) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    const touched = new Set<Partition>();
    const positions = group.map(({ records }) => this.#assign(records, touched));
    const committed = [...touched].flatMap(({ id, records, next }) =>
      packRecords(records, next, this.#memory.allocate).map((batch) => ({ id, batch })),
    );
    for (const partition of touched) partition.records = [];
    try {
      await this.#store.commit(committed);
    } catch (failure) {
      this.#memory.abandon();
      // A commit that failed may have reached the disk all the same: only the store knows where it ends.
      this.#store.refresh();
      for (const partition of touched) partition.next = this.#store.next(partition.id);
      for (const { reject } of group) reject(failure);
      return;
    }
    this.#memory.reclaim();
    this.#advance(touched, committed);
    this.#onCommit();
    for (const [i, { resolve }] of group.entries()) resolve(positions[i] ?? new Map());
  }

  #advance(
    touched: ReadonlySet<Partition>,
    committed: readonly { readonly id: PartitionId; readonly batch: RecordBatch }[],
  ): void {
    const nexts = new Map(committed.map(({ id, batch }) => [id, batch.next]));
    for (const partition of touched) partition.next = nexts.get(partition.id) ?? partition.next;
  }

  /** Puts records into their partitions' share of the commit; gives where this append will end in each. */
  #assign(records: readonly Append[], touched: Set<Partition>): Position {
    const own = new Set<Partition>();
    for (const record of records) {
      const partition = this.#partition(record.topic, record.partition);
      partition.records.push(record);
      own.add(partition);
    }
    const position = new Map<string, Map<number, Offset>>();
    for (const partition of own) {
      touched.add(partition);
      const nexts = position.get(partition.topic) ?? new Map<number, Offset>();
      nexts.set(partition.partition, (partition.next + partition.records.length) as Offset);
      position.set(partition.topic, nexts);
    }
    return position;
  }
}
