import type { Cut, Offset, Position } from "../../views/cut.ts";
import { isOfType, type Subject } from "../../views/subject.ts";
import {
  type Append,
  type Consumer,
  type Consumption,
  type Log,
  type LogBatch,
  type LogRecord,
  logEnd,
} from "../log/log.ts";
import { encryptEvent, readEncrypted } from "./encrypted-event.ts";
import type { KeyedSubject, SubjectKeys } from "./subject-keys.ts";

export interface EncryptedLogOptions {
  /** Stays the caller's to close, after this. */
  readonly log: InnerLog;
  readonly keys: SubjectKeys;
  /** Whose events are encrypted; others pass as they are. */
  readonly topics: ReadonlySet<string>;
}

type InnerLog = Log & Required<Pick<Log, "onAdvance">>;

/**
 * A log that holds the events of some topics encrypted, each with the key of its subject, as it is to those who write and read: in the
 * clear. What is appended is encrypted before it goes to the log, what is read is decrypted. A record whose key was destroyed is
 * `forgotten`; one that no key opens stays as it stands, which no reader takes for an event. Records that were not encrypted are as they are.
 */
export class EncryptedLog implements Log {
  readonly #log: InnerLog;
  readonly #keys: SubjectKeys;
  readonly #topics: ReadonlySet<string>;
  /** What was begun last: each begins after the one before, so that records keep their order. */
  #latest: Promise<unknown> = Promise.resolve();
  readonly #appending = new Set<Promise<unknown>>();

  constructor({ log, keys, topics }: EncryptedLogOptions) {
    this.#log = log;
    this.#keys = keys;
    this.#topics = topics;
  }

  get topics(): Log["topics"] {
    return this.#log.topics;
  }

  async append(records: readonly Append[]): Promise<Position> {
    const { appended } = await this.#next(async () => {
      const encrypted = await this.#encrypted(records);
      const appending = this.#log.append(encrypted);
      this.#appending.add(appending);
      const settled = () => void this.#appending.delete(appending);
      appending.then(settled, settled);
      // Within an object, so that the next need not wait for the disk.
      return { appended: appending };
    });
    return appended;
  }

  /**
   * Gives where the log ends; from there on the subject's events are encrypted with other keys than before. What is asked to be erased
   * and what comes later are so told apart by the key as they are by the offset.
   */
  retire(subject: Subject): Promise<Cut> {
    return this.#next(async () => {
      await Promise.allSettled(this.#appending);
      await this.#keys.retire(this.#keyed(subject));
      return logEnd(this.#log, this.#log.topics);
    });
  }

  /** Destroys the keys that were retired: from then on the records are forgotten. Gives how many keys there were. */
  destroyKeys(subjects: readonly Subject[]): Promise<number> {
    return this.#next(() => this.#keys.destroy(subjects.flatMap((subject) => this.#keyed(subject))));
  }

  starts(topic: string): Promise<readonly Offset[]> {
    return this.#log.starts(topic);
  }

  nexts(topic: string): Promise<readonly Offset[]> {
    return this.#log.nexts(topic);
  }

  read(topic: string, partition: number, from: Offset, next: Offset): AsyncIterable<LogBatch> {
    const batches = this.#log.read(topic, partition, from, next);
    return this.#topics.has(topic) ? this.#decryptedAll(batches) : batches;
  }

  consume(consumption: Consumption): Consumer {
    if (!this.#topics.has(consumption.topic)) return this.#log.consume(consumption);
    return this.#log.consume({
      topic: consumption.topic,
      ...(consumption.partitions && { partitions: consumption.partitions }),
      position: (partition) => consumption.position(partition),
      handle: (batch) => consumption.handle(this.#decrypted(batch)),
    });
  }

  trim(topic: string, partition: number, before: Offset): Promise<void> {
    return this.#log.trim(topic, partition, before);
  }

  onAdvance(listener: () => void): Disposable {
    return this.#log.onAdvance(listener);
  }

  /** Waits for what was begun. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#latest;
    await Promise.allSettled(this.#appending);
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#latest.then(work);
    this.#latest = result.catch(() => undefined);
    return result;
  }

  #keyed(subject: Subject): readonly KeyedSubject[] {
    const { key } = subject;
    return [...this.#topics].filter((topic) => isOfType(subject, topic)).map((topic) => ({ topic, key }));
  }

  async #encrypted(records: readonly Append[]): Promise<readonly Append[]> {
    const personal = records.filter(({ topic }) => this.#topics.has(topic));
    if (personal.length === 0) return records;
    const keys = (await this.#keys.present(personal.map(subjectOf))).values();
    return records.map((record) => {
      if (!this.#topics.has(record.topic)) return record;
      const key = keys.next().value;
      if (key === undefined) throw new Error("each record has its subject's key");
      return { ...record, key: null, value: encryptEvent(record.value, key) };
    });
  }

  async *#decryptedAll(batches: AsyncIterable<LogBatch>): AsyncGenerator<LogBatch> {
    for await (const batch of batches) yield this.#decrypted(batch);
  }

  #decrypted(batch: LogBatch): LogBatch {
    this.#keys.refresh();
    // No longer than for a batch: a key that is destroyed meanwhile opens nothing any more.
    const found = new Map<string, ReturnType<SubjectKeys["find"]>>();
    const find = (id: string) => {
      if (!found.has(id)) found.set(id, this.#keys.find(id));
      return found.get(id);
    };
    const records: LogRecord[] = [];
    const forgotten: Offset[] = [];
    for (const record of batch.records) {
      const encrypted = readEncrypted(record.value);
      const key = encrypted && find(encrypted.keyId);
      if (key === "destroyed") forgotten.push(record.offset);
      else {
        const value = key && encrypted?.open(key);
        records.push(value === undefined ? record : withValue(record, value));
      }
    }
    return forgotten.length === 0 ? { ...batch, records } : { ...batch, records, forgotten };
  }
}

/** What a record has may be made when it is asked for, and is then no property of its own. */
function withValue({ offset, key, headers, timestampMs }: LogRecord, value: Uint8Array): LogRecord {
  return { offset, key, value, headers, timestampMs };
}

function subjectOf({ topic, key }: Append): KeyedSubject {
  if (key === null) throw new Error(`a record of ${topic} has no key to encrypt it by`);
  return { topic, key };
}
