import type { DuckDBConnection } from "@duckdb/node-api";
import type { Duckdb } from "../infra/duckdb.ts";
import { type Log, type LogRecord, logEnd } from "../infra/log/log.ts";
import { RecordReader } from "../infra/log/record-reader.ts";
import { archivedIds } from "../infra/master/archived-ids.ts";
import type { Master } from "../infra/master/master.ts";
import { RecordTable } from "../infra/master/record-table.ts";
import type { App } from "../views/app.ts";
import { type Cut, type Offset, offset, offsetAt, recordsBetween } from "../views/cut.ts";
import { DuplicateWindow } from "../views/duplicates.ts";
import { TidemarkError } from "../views/errors.ts";
import type { EventType } from "../views/event.ts";

export interface ArchiverParts {
  readonly app: App;
  readonly log: Log;
  readonly master: Master;
  readonly duckdb: Duckdb;
  /** Most offsets that a file covers. Default 1,000,000. */
  readonly recordsPerFile?: number;
  /**
   * Takes a record that is no event of its topic, which only a producer that goes round the gateway can send. Awaited
   * before the file that covers its offset is added; may be given the same record again after a crash.
   * Without it such a record stops the archive, since it would be lost.
   */
  readonly onInvalid?: (
    record: LogRecord,
    reason: TidemarkError,
    topic: string,
    partition: number,
  ) => Promise<void> | void;
}

export interface ArchiveOptions {
  readonly signal?: AbortSignal;
  /** Called with the records archived so far by this call. */
  readonly progress?: (records: number) => void;
}

/** One partition on its way from the log to the master dataset. */
interface Lane {
  readonly type: EventType;
  readonly partition: number;
  readonly reader: RecordReader;
  window: Window | undefined;
}

/** What stands among the records before `next`. Kept from file to file, so that it is warmed up once. */
interface Window {
  readonly duplicates: DuplicateWindow;
  next: Offset;
}

/** Partitions archived side by side: DuckDB compresses the file of one while the next is decoded. */
const workers = 2;

/** Brings the log's records into the master dataset, each exactly once, in order, duplicates marked. */
export class Archiver {
  readonly #parts: ArchiverParts;
  readonly #recordsPerFile: number;
  readonly #lanes: readonly Lane[];
  readonly #connections: DuckDBConnection[] = [];
  #latest: Promise<unknown> = Promise.resolve();

  constructor(parts: ArchiverParts) {
    this.#parts = parts;
    this.#recordsPerFile = parts.recordsPerFile ?? 1_000_000;
    this.#lanes = parts.app.events.flatMap((type) => {
      return Array.from({ length: type.partitions }, (_, partition): Lane => {
        return { type, partition, reader: new RecordReader(type, partition), window: undefined };
      });
    });
  }

  /** Records of the log that the master dataset does not have yet. */
  async pending(): Promise<number> {
    return recordsBetween(await this.#parts.master.cut(), await this.logEnd());
  }

  /** By topic, the next offset of each partition: all that is durable now. */
  logEnd(): Promise<Cut> {
    return logEnd(this.#parts.log, this.#parts.app.events);
  }

  /**
   * Archives every partition up to `until` at least; one that falls short is brought up to the log's end. Calls wait
   * for each other. Gives the master dataset's cut. TIDEMARK_STORE_OUT_OF_RANGE if the log does not reach `until`;
   * if the signal is aborted, rejects with its reason, and what is archived by then stays.
   */
  archive(until: Cut, options: ArchiveOptions = {}): Promise<Cut> {
    const result = this.#latest.then(() => this.#archive(until, options));
    this.#latest = result.catch(() => undefined);
    return result;
  }

  /** Does work that changes the master dataset while nothing is archived; which duplicates are known is looked up there anew. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#latest.then(work).finally(() => {
      for (const lane of this.#lanes) lane.window = undefined;
    });
    this.#latest = result.catch(() => undefined);
    return result;
  }

  async #archive(until: Cut, { signal, progress }: ArchiveOptions): Promise<Cut> {
    const { master, app } = this.#parts;
    const [cut, end] = [await master.cut(), await this.logEnd()];
    for (const { name, partitions } of app.events) {
      for (let partition = 0; partition < partitions; partition++) {
        requireReached(name, partition, offsetAt(until, name, partition), offsetAt(end, name, partition));
      }
    }
    const stop = new AbortController();
    let archived = 0;
    const step = (records: number) => {
      signal?.throwIfAborted();
      stop.signal.throwIfAborted();
      archived += records;
      progress?.(archived);
    };
    const lanes = this.#lanes
      .filter(
        ({ type: { name }, partition }) => offsetAt(until, name, partition) > offsetAt(cut, name, partition),
      )
      .values();
    const running = (await this.#connect()).map(async (connection) => {
      try {
        for (const lane of lanes) await this.#archiveLane(connection, lane, cut, end, step);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    });
    // All have to be at rest before the call is over.
    for (const outcome of await Promise.allSettled(running)) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
    return master.cut();
  }

  async #archiveLane(
    connection: DuckDBConnection,
    lane: Lane,
    cut: Cut,
    end: Cut,
    step: (records: number) => void,
  ): Promise<void> {
    const { type, partition } = lane;
    const next = offsetAt(end, type.name, partition);
    for (let from = offsetAt(cut, type.name, partition); from < next; ) {
      const fileNext = offset(Math.min(from + this.#recordsPerFile, next));
      await this.#addFile(connection, lane, from, fileNext, step);
      from = fileNext;
    }
  }

  async #addFile(
    connection: DuckDBConnection,
    lane: Lane,
    from: Offset,
    next: Offset,
    step: (records: number) => void,
  ): Promise<void> {
    const range = { topic: lane.type.name, partition: lane.partition, from, next };
    try {
      await this.#parts.master.add(range, async (path) => {
        if (lane.window?.next !== from) lane.window = await this.#warmUp(connection, lane, from);
        const table = await RecordTable.create(connection, lane.type);
        await this.#fill(table, lane.window, lane, from, next, step);
        await table.writeParquet(path);
      });
    } catch (error) {
      // It has seen records that did not get into the master dataset.
      lane.window = undefined;
      throw error;
    }
  }

  async #fill(
    table: RecordTable,
    window: Window,
    lane: Lane,
    from: Offset,
    next: Offset,
    step: (records: number) => void,
  ): Promise<void> {
    const { type, partition, reader } = lane;
    const invalid: { record: LogRecord; reason: TidemarkError }[] = [];
    let reached = from;
    for await (const batch of this.#parts.log.read(type.name, partition, from, next)) {
      if (batch.from !== reached || batch.next > next) {
        throw new TidemarkError(
          batch.from < reached ? "TIDEMARK_STORE_OVERLAP" : "TIDEMARK_STORE_GAP",
          `asked for offsets ${reached} to ${next} of partition ${partition} of ${type.name}, the log gave ${batch.from} to ${batch.next}`,
        );
      }
      for (const record of batch.records) {
        if (reader.saysNothing(record)) continue;
        try {
          const { event, rest } = reader.archived(record);
          const isDuplicate = window.duplicates.note(event.source, event.id, record.offset);
          table.append({ partition, offset: record.offset, event, isDuplicate, rest });
        } catch (error) {
          if (!(error instanceof TidemarkError)) throw error;
          invalid.push({ record, reason: error });
        }
      }
      for (const { record, reason } of invalid.splice(0)) await this.#setAside(lane, record, reason);
      reached = batch.next;
      step(batch.records.length);
    }
    if (reached !== next) {
      throw new TidemarkError(
        "TIDEMARK_STORE_GAP",
        `asked for offsets up to ${next} of partition ${partition} of ${type.name}, the log ended at ${reached}`,
      );
    }
    window.next = next;
  }

  async #setAside({ type, partition }: Lane, record: LogRecord, reason: TidemarkError): Promise<void> {
    const { onInvalid } = this.#parts;
    if (onInvalid === undefined) {
      throw new TidemarkError(
        reason.code,
        `record ${record.offset} of partition ${partition} of ${type.name} is no event of it, and there is nowhere to keep it: ${reason.message}`,
        { cause: reason },
      );
    }
    await onInvalid(record, reason, type.name, partition);
  }

  /** Notes the N records before `from`, as the master dataset has them: a log may have let go of them by now. */
  async #warmUp(connection: DuckDBConnection, { type, partition }: Lane, from: Offset): Promise<Window> {
    const duplicates = new DuplicateWindow(type.duplicatesWithin);
    const first = offset(Math.max(0, from - type.duplicatesWithin));
    const before = { topic: type.name, partition, from: first, next: from };
    for await (const { source, id, offset: at } of archivedIds(connection, this.#parts.master, before)) {
      duplicates.note(source, id, at);
    }
    return { duplicates, next: from };
  }

  async #connect(): Promise<readonly DuckDBConnection[]> {
    while (this.#connections.length < workers) this.#connections.push(await this.#parts.duckdb.connect());
    return this.#connections;
  }
}

function requireReached(topic: string, partition: number, wanted: Offset, next: Offset): void {
  if (wanted <= next) return;
  throw new TidemarkError(
    "TIDEMARK_STORE_OUT_OF_RANGE",
    `partition ${partition} of ${topic} can't be archived up to offset ${wanted}: the log ends at ${next}`,
  );
}
