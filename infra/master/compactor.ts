import { stat } from "node:fs/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { EventType } from "../../views/event.ts";
import { type Duckdb, interruptible } from "../duckdb.ts";
import type { Timers } from "../timers.ts";
import { type Candidate, type CompactionPolicy, planCompaction, sizeOf } from "./compaction-plan.ts";
import { schemasAfter, writeEarlyValuesOf } from "./early-values.ts";
import type { ChecksummedFile, MasterFolder } from "./folder.ts";
import type { MasterFile } from "./master.ts";
import { removeReplaced, requireSound } from "./remove-replaced.ts";
import { columnsOfFiles, rewriteFiles } from "./rewrite.ts";

/** Chooses of files of one partition, in order. */
export type FilesToMove = (
  connection: DuckDBConnection,
  files: readonly ChecksummedFile[],
) => Promise<readonly ChecksummedFile[]>;

export interface CompactorParts {
  readonly events: readonly EventType[];
  readonly master: MasterFolder;
  readonly duckdb: Duckdb;
  readonly timers: Timers;
  readonly policy: CompactionPolicy;
  /** Which of a partition's files are to go to the other folder, where the master dataset has a cold one. Default: none. */
  readonly toMove?: FilesToMove;
  /**
   * How long a replaced file stays after the one that took its place was seen here: longer than readers in other processes take
   * from listing to having read. 0 where there are none; infinite leaves the removing to another.
   */
  readonly graceMs: number;
  /** Milliseconds that never run backwards. */
  readonly now: () => number;
}

export interface PassOptions {
  /** No further file is begun once so many offsets are rewritten. */
  readonly mostRecords: number;
  readonly signal: AbortSignal;
  /** Called with the files replaced or moved so far by this pass. */
  readonly progress?: (files: number) => void;
}

/** What a pass did, in files. */
export interface Compacted {
  /** Small ones whose place was taken. */
  readonly replaced: number;
  /** Those that took it. */
  readonly written: number;
  /** Files of records that were copied to the other folder, and their bytes. */
  readonly moved: number;
  readonly movedBytes: number;
  /** Files of records that were removed. */
  readonly removed: number;
  /** Files of records that are still to be removed. */
  readonly waiting: number;
}

const nothing: Compacted = { replaced: 0, written: 0, moved: 0, movedBytes: 0, removed: 0, waiting: 0 };

/**
 * Rewrites neighbouring small files of the master dataset into larger ones, moves those that belong into the other
 * folder, and removes those in whose place others came once nobody can need them. For the one process that adds to the
 * master dataset. The rules, and why they are safe, are in `docs/master-dataset.md`.
 */
export class Compactor {
  readonly #parts: CompactorParts;
  /** By path, the columns of files that were candidates at the last look. */
  readonly #columns = new Map<string, ReadonlyMap<string, string>>();
  /** By path, since when a file is known to be there that took the place of others. */
  #seenMs = new Map<string, number>();
  #readers = 0;
  #passing: Promise<unknown> = Promise.resolve();

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /**
   * Work of this process that lists files and then reads them, for however long: none is removed, and no pass begins
   * meanwhile.
   */
  async whileReading<T>(work: () => Promise<T>): Promise<T> {
    this.#readers++;
    try {
      return await work();
    } finally {
      this.#readers--;
    }
  }

  /** The same for work that replaces files itself: it waits for the pass in hand. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.whileReading(async () => {
      await this.#passing.catch(() => undefined);
      return work();
    });
  }

  /** How many files would be replaced or moved. */
  async pending(): Promise<number> {
    const { duckdb, events } = this.#parts;
    const connection = await duckdb.connect();
    try {
      let files = 0;
      for (const type of events) {
        for (let partition = 0; partition < type.partitions; partition++) {
          files += (await this.#plan(connection, type, partition)).flat().length;
          files += (await this.#toMove(connection, type, partition)).length;
        }
      }
      return files;
    } finally {
      duckdb.disconnect(connection);
    }
  }

  /**
   * One pass over all partitions. Not to be called side by side. Rejects with the signal's reason once that is aborted;
   * what is done by then stays. A pass that was cut short, by whatever, is gone on with by the next.
   */
  pass(options: PassOptions): Promise<Compacted> {
    const passing = this.#readers > 0 ? Promise.resolve(nothing) : this.#pass(options);
    this.#passing = passing;
    return passing;
  }

  async #pass({ mostRecords, signal, progress }: PassOptions): Promise<Compacted> {
    const done = { ...nothing };
    const { duckdb, events, master } = this.#parts;
    const [connection, reader] = [await duckdb.connect(), await duckdb.connect()];
    const seen = new Map<string, number>();
    let records = 0;
    try {
      for (const type of events) {
        for (let partition = 0; partition < type.partitions; partition++) {
          signal.throwIfAborted();
          for (const files of await this.#plan(connection, type, partition)) {
            if (records >= mostRecords) break;
            await this.#rewrite([connection, reader], type, files, signal);
            records += files.reduce((sum, file) => sum + sizeOf(file), 0);
            done.replaced += files.length;
            done.written++;
            progress?.(done.replaced + done.moved);
          }
          // Afterwards: what is worth being made into a larger file is by now, or the pass has done its share.
          for (const file of await this.#toMove(connection, type, partition)) {
            if (records >= mostRecords) break;
            const { size } = await stat(file.path);
            if (!(await master.move(file, signal))) continue;
            records += sizeOf(file);
            done.moved++;
            done.movedBytes += size;
            progress?.(done.replaced + done.moved);
          }
          const { removed, waiting } = await this.#sweep(type.name, partition, seen, signal);
          done.removed += removed;
          done.waiting += waiting;
        }
      }
      this.#seenMs = seen;
      return done;
    } catch (error) {
      // What is interrupted fails in its own words.
      throw signal.aborted ? signal.reason : error;
    } finally {
      for (const used of [connection, reader]) duckdb.disconnect(used);
    }
  }

  async #plan(connection: DuckDBConnection, type: EventType, partition: number) {
    const { master, policy } = this.#parts;
    const files = await master.checksummed(type.name, partition);
    const isCandidate = (file: MasterFile) =>
      file.isCold !== true && sizeOf(file) * policy.growth <= policy.targetRecords;
    const small = files.filter(isCandidate);
    if (small.length < policy.leastFiles) return [];
    const columns = await this.#columnsOf(connection, `${type.name}/${partition}`, small);
    const candidates = await Promise.all(
      files.map(async (file): Promise<Candidate<ChecksummedFile>> => {
        const known = columns.get(file.path);
        // Without a known shape it stands between its neighbours, and goes with none of them.
        if (known === undefined) return { file, bytes: 0, shape: file.path };
        return { file, bytes: (await stat(file.path)).size, shape: `${schemasAfter(type, file)} ${known}` };
      }),
    );
    return planCompaction(candidates, policy);
  }

  async #toMove(
    connection: DuckDBConnection,
    { name }: EventType,
    partition: number,
  ): Promise<readonly ChecksummedFile[]> {
    const { master, toMove } = this.#parts;
    return toMove === undefined ? [] : toMove(connection, await master.checksummed(name, partition));
  }

  /** Files never change: each is looked at once. */
  async #columnsOf(
    connection: DuckDBConnection,
    place: string,
    files: readonly MasterFile[],
  ): Promise<ReadonlyMap<string, string>> {
    const known = this.#columns.get(place) ?? new Map<string, string>();
    const unknown = files.flatMap(({ path }) => (known.has(path) ? [] : [path]));
    const read = unknown.length === 0 ? [] : await columnsOfFiles(connection, unknown);
    const all = new Map([...known, ...read]);
    const columns = new Map(files.flatMap(({ path }) => [[path, all.get(path) ?? path]] as const));
    this.#columns.set(place, columns);
    return columns;
  }

  async #rewrite(
    [connection, reader]: readonly [DuckDBConnection, DuckDBConnection],
    type: EventType,
    files: readonly ChecksummedFile[],
    signal: AbortSignal,
  ): Promise<void> {
    const { master, timers } = this.#parts;
    // What is damaged must not get a checksum that says otherwise.
    for (const file of files) await requireSound(file, signal);
    const paths = files.map(({ path }) => path);
    await master.replace(files, async (aside, path) => {
      await interruptible(connection, signal, timers, () => rewriteFiles(connection, paths, aside));
      const [first, last] = [files[0], files.at(-1)];
      if (first === undefined || last === undefined || type.former.length === 0) return;
      const file = { ...first, next: last.next, path };
      await writeEarlyValuesOf({ connection, reader, signal }, type, file, aside);
    });
  }

  /** Removes what is replaced for long enough. */
  async #sweep(
    topic: string,
    partition: number,
    seen: Map<string, number>,
    signal: AbortSignal,
  ): Promise<Pick<Compacted, "removed" | "waiting">> {
    const { master, graceMs, now } = this.#parts;
    const replaced = await master.replaced(topic, partition);
    const nowMs = now();
    for (const { path } of replaced.flatMap(({ by }) => by)) {
      seen.set(path, this.#seenMs.get(path) ?? nowMs);
    }
    const isSeenLongEnough = ({ path }: MasterFile) => nowMs - (seen.get(path) ?? nowMs) >= graceMs;
    const due = replaced.filter(({ by }) => this.#readers === 0 && by.every(isSeenLongEnough));
    const removed = await removeReplaced(master, { topic, partition }, due, signal);
    const files = replaced.filter(({ kind }) => kind === "records").length;
    return { removed, waiting: files - removed };
  }
}
