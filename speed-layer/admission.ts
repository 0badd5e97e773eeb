import type { Log, LogRecord } from "../infra/log/log.ts";
import { RecordReader } from "../infra/log/record-reader.ts";
import type { ArchivedEvent, ArchivedEvents } from "../infra/master/archived-events.ts";
import type { ArchivedIds } from "../infra/master/archived-ids.ts";
import type { Offset } from "../views/cut.ts";
import { DuplicateWindow } from "../views/duplicates.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Event, EventType } from "../views/event.ts";

/** What was not folded, since the start. */
export interface Skipped {
  duplicates: number;
  /** No event of the topic's type; the archive keeps their bytes as dead letters. */
  undecodable: number;
  /** Their subject's key was destroyed. */
  forgotten: number;
}

export function noneSkipped(): Skipped {
  return { duplicates: 0, undecodable: 0, forgotten: 0 };
}

/** Where records that came before are looked up. */
export interface Past {
  readonly log: Pick<Log, "starts" | "read">;
  /** Needed for a log that lets go of what is archived. */
  readonly archivedIds?: ArchivedIds | undefined;
  /** Gives what the log has let go of, where that is to be folded all the same. */
  readonly archivedEvents?: ArchivedEvents | undefined;
}

/**
 * Which records of one partition count: those that are events of the topic's type and no duplicates. Records are shown
 * to it in order; whether one is a duplicate depends on the N before it, so who begins in the midst warms it up first.
 */
export class Admission {
  readonly #type: EventType;
  readonly #partition: number;
  readonly #reader: RecordReader;
  readonly #window: DuplicateWindow;
  readonly #skipped: Skipped;
  #next = 0 as Offset;

  constructor(type: EventType, partition: number, skipped: Skipped = noneSkipped()) {
    this.#type = type;
    this.#partition = partition;
    this.#reader = new RecordReader(type, partition);
    this.#window = new DuplicateWindow(type.duplicatesWithin);
    this.#skipped = skipped;
  }

  /** Whether the records before `at` that matter to it have been seen. */
  isWarmAt(at: Offset): boolean {
    return this.#next >= at || this.#type.duplicatesWithin === 0;
  }

  /** Looks at the N records before `at`, those that it has not seen yet. */
  async warmUp({ log, archivedIds }: Past, at: Offset, signal?: AbortSignal): Promise<void> {
    if (this.isWarmAt(at)) return;
    const { name: topic, duplicatesWithin } = this.#type;
    const partition = this.#partition;
    const first = Math.max(this.#next, at - duplicatesWithin) as Offset;
    const start = (await log.starts(topic))[partition] ?? 0;
    const from = Math.min(at, Math.max(first, start)) as Offset;
    if (first < from && archivedIds !== undefined) {
      for await (const { source, id, offset } of archivedIds({ topic, partition, from: first, next: from })) {
        signal?.throwIfAborted();
        this.#window.note(source, id, offset);
      }
    }
    if (from < at) {
      for await (const batch of log.read(topic, partition, from, at)) {
        signal?.throwIfAborted();
        for (const record of batch.records) {
          const event = this.#decode(record);
          if (event !== null) this.#window.note(event.source, event.id, record.offset);
        }
      }
    }
    this.#next = at;
  }

  /** The events that count, by the records' places; null for the others. `next` is the offset after the last record. */
  admit(records: readonly LogRecord[], next: Offset): (Event | null)[] {
    const events: (Event | null)[] = [];
    for (const record of records) {
      let event = this.#decode(record);
      if (event === null) this.#skipped.undecodable += this.#reader.saysNothing(record) ? 0 : 1;
      else if (this.#window.note(event.source, event.id, record.offset)) {
        this.#skipped.duplicates++;
        event = null;
      }
      events.push(event);
    }
    this.#next = next;
    return events;
  }

  /** The same of events that were archived: only those are, so that none is undecodable. */
  admitArchived(archived: readonly ArchivedEvent[], next: Offset): (ArchivedEvent | null)[] {
    const events = archived.map((event) => {
      if (!this.#window.note(event.source, event.id, event.offset)) return event;
      this.#skipped.duplicates++;
      return null;
    });
    this.#next = next;
    return events;
  }

  #decode(record: LogRecord): Event | null {
    try {
      return this.#reader.event(record);
    } catch (error) {
      if (error instanceof TidemarkError) return null;
      throw error;
    }
  }
}
