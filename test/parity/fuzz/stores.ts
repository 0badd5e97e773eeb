import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Consumer, Log, LogBatch, LogRecord } from "../../../infra/log/log.ts";
import type { Master, MasterFile } from "../../../infra/master/master.ts";
import { type Cut, type Offset, offset } from "../../../views/cut.ts";
import type { EventType } from "../../../views/event.ts";
import { jsonOf, type RecordCase, recordsOf, type SourceCase } from "./case.ts";
import { timeText } from "./time-text.ts";

const from0 = offset(0);

/** A log of one topic whose records are those of the case in hand. */
export class CaseLog implements Log {
  readonly topics;
  #records: readonly (readonly LogRecord[])[] = [];
  #nexts: readonly Offset[] = [];

  constructor(type: EventType) {
    this.topics = [{ name: type.name, partitions: type.partitions }];
  }

  hold(source: SourceCase): void {
    const { name: type = "", partitions } = this.topics[0] ?? {};
    this.#records = Array.from({ length: partitions ?? 0 }, (_, partition) =>
      recordsOf(source, partition).map((record, i) => ({
        offset: offset(i),
        key: null,
        value: Buffer.from(textOf(record, type)),
        headers: undefined,
        timestampMs: undefined,
      })),
    );
    this.#nexts = this.#records.map((records) => offset(records.length));
  }

  /** From now on the log ends there. */
  endAt(nexts: readonly Offset[]): void {
    this.#nexts = nexts;
  }

  records(partition: number): readonly LogRecord[] {
    return this.#records[partition] ?? [];
  }

  async starts(): Promise<readonly Offset[]> {
    return this.#records.map(() => from0);
  }

  async nexts(): Promise<readonly Offset[]> {
    return this.#nexts;
  }

  async *read(topic: string, partition: number, from: Offset, next: Offset): AsyncIterable<LogBatch> {
    if (from < next)
      yield { topic, partition, from, next, end: next, records: this.records(partition).slice(from, next) };
  }

  append(): never {
    throw new Error("the records of a case are all there from the start");
  }

  consume(): Consumer {
    throw new Error("the records of a case are read, not waited for");
  }

  trim(): never {
    throw new Error("the records of a case are kept");
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The event as a producer would send it; null is what no decoder takes. */
function textOf(record: RecordCase, type: string): string {
  if (record === null) return '{"id":';
  const { id, source, data } = record;
  return jsonOf({ specversion: "1.0", id, source, type, time: timeText(record.time, record.zone), data });
}

/** A master dataset whose files are real, and of the case in hand only. */
export class CaseMaster implements Master {
  readonly #folder: string;
  readonly #type: EventType;
  #files: MasterFile[] = [];
  #written = 0;

  constructor(folder: string, type: EventType) {
    this.#folder = folder;
    this.#type = type;
  }

  clear(): void {
    for (const name of readdirSync(this.#folder)) {
      if (name.startsWith(`${this.#type.name}-`)) rmSync(join(this.#folder, name));
    }
    this.#files = [];
  }

  async files(): Promise<readonly MasterFile[]> {
    return [...this.#files].sort((a, b) => a.partition - b.partition || a.from - b.from);
  }

  async cut(): Promise<Cut> {
    const nexts = Array.from({ length: this.#type.partitions }, () => from0);
    for (const file of this.#files) {
      nexts[file.partition] = offset(Math.max(nexts[file.partition] ?? 0, file.next));
    }
    return { [this.#type.name]: nexts };
  }

  /** No name is given to a second file, as in a real one. */
  async add(range: Omit<MasterFile, "path">, write: (path: string) => Promise<void>): Promise<MasterFile> {
    const file = { ...range, path: join(this.#folder, `${this.#type.name}-${this.#written++}.parquet`) };
    await write(file.path);
    this.#files.push(file);
    return file;
  }
}
