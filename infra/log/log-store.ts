import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Database, open, type RootDatabase } from "lmdb";
import { type Offset, offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { durableCommits } from "../lmdb.ts";
import type { Topic } from "./log.ts";
import { RecordBatch } from "./record-batch.ts";

/** Tells partitions of all topics apart: the topic's number in this store and the partition, 16 bits each. */
export type PartitionId = number & { readonly __brand: "PartitionId" };

type StoredTopics = Readonly<Record<string, { readonly id: number; readonly partitions: number }>>;

/**
 * The log's LMDB environment. Batches are keyed by partition and next offset (not the first: the batch that holds an
 * offset is then the first key after it, and the last key says where the partition ends).
 */
export class LogStore {
  readonly #root: RootDatabase;
  readonly #meta: Database<unknown, string>;
  readonly #batches: Database<Buffer, Buffer>;
  readonly #ids: ReadonlyMap<string, readonly PartitionId[]>;
  /** The number of this writer; whoever opens the log to write later has a higher one. Undefined: a reader. */
  readonly #writer: number | undefined;

  constructor(path: string, topics: readonly Topic[], mode: "writer" | "reader") {
    if (mode === "reader" && !existsSync(join(path, "data.mdb"))) throw notThere(path);
    this.#root = open({
      path,
      noSubdir: false,
      maxDbs: 2,
      readOnly: mode === "reader",
      ...durableCommits,
    });
    try {
      this.#meta = this.#root.openDB<unknown, string>("meta", { encoding: "json", useVersions: true });
      this.#batches = this.#root.openDB<Buffer, Buffer>("batches", {
        encoding: "binary",
        keyEncoding: "binary",
      });
    } catch (cause) {
      if (mode === "reader") throw notThere(path, { cause });
      throw cause;
    }
    if (mode === "reader") this.#ids = this.#readTopics(path, topics);
    else {
      this.#ids = this.#meta.transactionSync(() => this.#declareTopics(path, topics));
      this.#writer = this.#meta.transactionSync(() => this.#claimWriting());
    }
  }

  ids(topic: string): readonly PartitionId[] {
    const ids = this.#ids.get(topic);
    if (ids === undefined) {
      throw new TidemarkError(
        "TIDEMARK_STORE_OUT_OF_RANGE",
        `the log was not opened with topic "${topic}", but with ${[...this.#ids.keys()].join(", ")}`,
      );
    }
    return ids;
  }

  id(topic: string, partition: number): PartitionId {
    const ids = this.ids(topic);
    const id = ids[partition];
    if (id === undefined) {
      throw new TidemarkError(
        "TIDEMARK_STORE_OUT_OF_RANGE",
        `topic "${topic}" has partitions 0 to ${ids.length - 1}, but no ${partition}`,
      );
    }
    return id;
  }

  /** From here on reads see all that is committed, by any process. */
  refresh(): void {
    this.#root.resetReadTxn();
  }

  /** First offset that is held; where nothing is, 0. */
  start(id: PartitionId): Offset {
    for (const batch of this.batchesFrom(id, 0 as Offset)) return batch.from;
    return 0 as Offset;
  }

  /** Next offset to be written. */
  next(id: PartitionId): Offset {
    const [last] = this.#batches.getKeys({
      start: key(id, lastNext),
      end: key(id, 0),
      reverse: true,
      limit: 1,
    });
    return last === undefined ? (0 as Offset) : offset(last.readUIntBE(4, 6));
  }

  /** The batch that holds the offset, if any does, and those after it. The caller must not pause between them. */
  *batchesFrom(id: PartitionId, from: Offset): Iterable<RecordBatch> {
    const range = this.#batches.getRange({ start: key(id, from + 1), end: key(id, lastNext) });
    for (const { key, value } of range) yield RecordBatch.stored(offset(key.readUIntBE(4, 6)), value);
  }

  /**
   * Writes all batches or none, durably. Rejects with TIDEMARK_STORE_LOCKED if another writer has opened the log since:
   * what this one believes about the next offsets may be wrong then.
   */
  async commit(batches: readonly { readonly id: PartitionId; readonly batch: RecordBatch }[]): Promise<void> {
    await this.#write(() => {
      for (const { id, batch } of batches) void this.#batches.put(key(id, batch.next), batch.bytes);
    });
  }

  /**
   * Forgets the records before an offset that is not beyond the end. A batch without records, as if it ended there, marks
   * where the partition begins: also of one that holds no more, so that it goes on with its next offset. Of a batch across
   * it what lies behind it is written anew, so that nothing of what was trimmed stays.
   */
  async trim(id: PartitionId, before: Offset): Promise<void> {
    if (before <= this.start(id)) return;
    const trimmed = [...this.#batches.getKeys({ start: key(id, 0), end: key(id, before + 1) })];
    const [across] = this.batchesFrom(id, before);
    await this.#write(() => {
      for (const each of trimmed) void this.#batches.remove(each);
      void this.#batches.put(key(id, before), RecordBatch.empty(before).bytes);
      if (across !== undefined && across.from < before)
        void this.#batches.put(key(id, across.next), across.after(before).bytes);
    });
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  async #write(changes: () => void): Promise<void> {
    const isWriter = await this.#meta
      .ifVersion("writer", this.#writer ?? Number.NaN, changes)
      .catch(rethrowDisk);
    if (!isWriter) {
      throw new TidemarkError(
        "TIDEMARK_STORE_LOCKED",
        "another process has opened this log to write: only one may; stop it, or this one",
      );
    }
  }

  #readTopics(path: string, topics: readonly Topic[]): ReadonlyMap<string, readonly PartitionId[]> {
    const stored = this.#storedTopics();
    const missing = topics.find(({ name }) => stored[name] === undefined);
    if (missing !== undefined) throw notThere(path, undefined, ` with topic "${missing.name}"`);
    return partitionIds(topics, stored);
  }

  #declareTopics(path: string, topics: readonly Topic[]): ReadonlyMap<string, readonly PartitionId[]> {
    const stored = { ...this.#storedTopics() };
    for (const { name, partitions } of topics) {
      const before = stored[name];
      if (before !== undefined && before.partitions !== partitions) {
        throw new TidemarkError(
          "TIDEMARK_STORE_CORRUPT",
          `topic "${name}" was declared with ${partitions} partitions, but the log at ${path} has it with ${before.partitions}: the number can't change, or keys would move`,
        );
      }
      stored[name] ??= { id: Object.keys(stored).length, partitions };
    }
    this.#meta.putSync("topics", stored);
    return partitionIds(topics, stored);
  }

  #storedTopics(): StoredTopics {
    return (this.#meta.get("topics") as StoredTopics | undefined) ?? {};
  }

  #claimWriting(): number {
    const writer = (this.#meta.getEntry("writer")?.version ?? 0) + 1;
    this.#meta.putSync("writer", null, writer);
    return writer;
  }
}

const lastNext = 2 ** 48 - 1;

function key(id: PartitionId, next: number): Buffer {
  const bytes = Buffer.allocUnsafe(10);
  bytes.writeUInt32BE(id, 0);
  bytes.writeUIntBE(next, 4, 6);
  return bytes;
}

function partitionIds(
  topics: readonly Topic[],
  stored: StoredTopics,
): ReadonlyMap<string, readonly PartitionId[]> {
  return new Map(
    topics.map(({ name, partitions }) => [
      name,
      Array.from({ length: partitions }, (_, p) => ((stored[name]?.id ?? 0) * 65_536 + p) as PartitionId),
    ]),
  );
}

function notThere(path: string, options?: ErrorOptions, what = ""): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_NOT_READY",
    `there is no log${what} at ${path} yet: the process that writes it makes it when it starts`,
    options,
  );
}

/** A failed LMDB commit, whatever the reason (a full disk is reported as EIO), as TIDEMARK_INGEST_DISK. */
async function rethrowDisk(error: Error & { readonly commitError?: Promise<never> }): Promise<never> {
  const cause = await (error.commitError ?? Promise.reject(error)).catch((reason: unknown) => reason);
  throw new TidemarkError(
    "TIDEMARK_INGEST_DISK",
    `the log could not be written (${cause instanceof Error ? cause.message : String(cause)}): is the disk full?`,
    { cause },
  );
}
