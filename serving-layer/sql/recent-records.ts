import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Log } from "../../infra/log/log.ts";
import { RecordReader } from "../../infra/log/record-reader.ts";
import { archivedIds } from "../../infra/master/archived-ids.ts";
import type { Master } from "../../infra/master/master.ts";
import { RecordTable } from "../../infra/master/record-table.ts";
import { type Offset, offset } from "../../views/cut.ts";
import { DuplicateWindow } from "../../views/duplicates.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { EventType } from "../../views/event.ts";

export interface RecentParts {
  readonly log: Pick<Log, "read">;
  readonly master: Master;
  /** For this alone: one writes while the other reads. */
  readonly connections: readonly [DuckDBConnection, DuckDBConnection];
  readonly folder: string;
}

/** A file of records `[from, next)`, of the columns of the master dataset. */
export interface RecentFile {
  readonly from: Offset;
  readonly next: Offset;
  readonly path: string;
}

/** A file's records are written anew, together with those of the files before it, once there are so many. */
const mostFiles = 8;

/**
 * The records of one partition that the log has and the master dataset has not, as the archiver will write them: decoded by
 * the same decoder, duplicates marked by the same rule. Each is read once, into files of this alone.
 */
export class RecentRecords {
  readonly #parts: RecentParts;
  readonly #type: EventType;
  readonly #partition: number;
  readonly #reader: RecordReader;
  #files: readonly RecentFile[] = [];
  /** What stands among the records before `next`. */
  #window: { readonly duplicates: DuplicateWindow; next: Offset } | undefined;
  #written = 0;

  constructor(parts: RecentParts, type: EventType, partition: number) {
    this.#parts = parts;
    this.#type = type;
    this.#partition = partition;
    this.#reader = new RecordReader(type, partition);
  }

  /**
   * Files that lead from `archived` to `next` at least, where it may be that the first begins and the last ends further out. Not
   * to be called side by side. Files that are no longer needed are removed when `mayRemove`.
   */
  async files(
    archived: Offset,
    next: Offset,
    mayRemove: boolean,
    signal: AbortSignal,
  ): Promise<readonly RecentFile[]> {
    if (mayRemove) await this.#removeBefore(archived);
    const reached = this.#files.at(-1)?.next ?? archived;
    if (reached < archived) {
      // The archiver has overtaken what was read here.
      this.#window = undefined;
    }
    const from = offset(Math.max(reached, archived));
    if (from < next) {
      const isAnew = mayRemove && this.#files.length >= mostFiles;
      await this.#read(isAnew ? archived : from, next, signal);
    }
    return this.#files.filter((file) => file.next > archived && file.from < next);
  }

  async #removeBefore(archived: Offset): Promise<void> {
    const old = this.#files.filter((file) => file.next <= archived);
    this.#files = this.#files.filter((file) => file.next > archived);
    for (const { path } of old) await rm(path, { force: true });
  }

  /** If `from` lies before where the files end, the new file takes their place. */
  async #read(from: Offset, next: Offset, signal: AbortSignal): Promise<void> {
    const { log, folder, connections } = this.#parts;
    const { name } = this.#type;
    if (this.#window?.next !== from) this.#window = await this.#warmUp(from);
    const window = this.#window;
    this.#window = undefined;
    const table = await RecordTable.create(connections[0], this.#type);
    for await (const batch of log.read(name, this.#partition, from, next)) {
      signal.throwIfAborted();
      for (const record of batch.records) {
        try {
          const { event, rest } = this.#reader.archived(record);
          const isDuplicate = window.duplicates.note(event.source, event.id, record.offset);
          table.append({ partition: this.#partition, offset: record.offset, event, isDuplicate, rest });
        } catch (error) {
          // The archiver puts it among the dead letters.
          if (!(error instanceof TidemarkError)) throw error;
        }
      }
    }
    const path = join(folder, `${name}-${this.#partition}-${from}-${next}-${++this.#written}.parquet`);
    await table.writeParquet(path);
    const replaced = this.#files.filter((file) => file.next > from);
    this.#files = [...this.#files.filter((file) => file.next <= from), { from, next, path }];
    for (const { path: old } of replaced) await rm(old, { force: true });
    this.#window = { duplicates: window.duplicates, next };
  }

  async #warmUp(from: Offset): Promise<{ duplicates: DuplicateWindow; next: Offset }> {
    const { master, connections } = this.#parts;
    const { name: topic, duplicatesWithin } = this.#type;
    const duplicates = new DuplicateWindow(duplicatesWithin);
    const first = offset(Math.max(0, from - duplicatesWithin));
    const range = { topic, partition: this.#partition, from: first, next: from };
    for await (const { source, id, offset: at } of archivedIds(connections[1], master, range)) {
      duplicates.note(source, id, at);
    }
    return { duplicates, next: from };
  }
}
