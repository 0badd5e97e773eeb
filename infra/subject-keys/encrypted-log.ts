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
  type Topic,
} from "../log/log.ts";
import { encryptEvent, readEncrypted, type SubjectKey } from "./encrypted-event.ts";
import { nameOf } from "./key-wrapping.ts";
import type { KeyedSubject, LogKeys } from "./log-keys.ts";

export interface EncryptedLogOptions {
  /** Stays the caller's to close, after this. */
  readonly log: Log;
  readonly keys: LogKeys;
  /** Whose events are encrypted; others pass as they are. */
  readonly topics: ReadonlySet<string>;
}

/** Where one process alone appends, it does one thing at a time. */
const everything: ReadonlySet<string> = new Set([""]);

/**
 * A log that holds the events of some topics encrypted, each with the key of its subject, as it is to those who write
 * and read: in the clear. What is appended is encrypted before it goes to the log, what is read is decrypted. A record
 * whose key was destroyed, or retired before it was written, is `forgotten`; one that no key opens stays as it stands,
 * which no reader takes for an event. Records that were not encrypted are as they are.
 */
export class EncryptedLog implements Log {
  /** As the log has it. */
  readonly onAdvance?: NonNullable<Log["onAdvance"]>;
  readonly #log: Log;
  readonly #keys: LogKeys;
  readonly #topics: ReadonlySet<string>;
  /** What was begun last, by what it is about: each begins after the one before, so that records keep their order. */
  readonly #latest = new Map<string, Promise<unknown>>();
  readonly #appending = new Set<Promise<unknown>>();

  constructor({ log, keys, topics }: EncryptedLogOptions) {
    this.#log = log;
    this.#keys = keys;
    this.#topics = topics;
    if (log.onAdvance !== undefined) this.onAdvance = log.onAdvance.bind(log);
  }

  get topics(): Log["topics"] {
    return this.#log.topics;
  }

  async append(records: readonly Append[]): Promise<Position> {
    const personal = records.filter(({ topic }) => this.#topics.has(topic));
    const isShared = this.#keys.retired !== undefined;
    // Where others may retire keys at any moment, nothing is gained by looking them up one append after the other.
    const ahead = isShared ? this.#keysOf(personal) : undefined;
    ahead?.catch(() => undefined);
    const about = isShared ? new Set(personal.map((record) => nameOf(subjectOf(record)))) : everything;
    const { keys, appended } = await this.#next(about, async () => {
      const found = await (ahead ?? this.#keysOf(personal));
      const appending = this.#log.append(this.#encrypted(records, found));
      this.#appending.add(appending);
      const settled = () => void this.#appending.delete(appending);
      appending.then(settled, settled);
      // Within an object, so that the next need not wait for the disk.
      return { keys: found, appended: appending };
    });
    return this.#again(personal, keys, await appended);
  }

  /**
   * Gives where the log ends in these topics; from there on the subject's events are encrypted with other keys than
   * before. What is asked to be erased and what comes later are so told apart by the key as they are by the offset.
   */
  retire(subject: Subject, topics: readonly Topic[] = this.#log.topics): Promise<Cut> {
    return this.#next(everything, async () => {
      await Promise.allSettled(this.#appending);
      const bounds = await this.#keys.retire(this.#keyed(subject));
      return { ...(await logEnd(this.#log, topics)), ...bounds };
    });
  }

  /** Destroys the keys that were retired: from then on the records are forgotten. Gives how many keys there were. */
  destroyKeys(subjects: readonly (Subject & { readonly bound?: Cut })[]): Promise<number> {
    const erased = subjects.flatMap((subject) =>
      this.#keyed(subject).map((keyed) => ({ ...keyed, bound: subject.bound?.[keyed.topic] })),
    );
    return this.#next(everything, () => this.#keys.destroy(erased));
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
      handle: async (batch) => consumption.handle(await this.#decrypted(batch)),
    });
  }

  trim(topic: string, partition: number, before: Offset): Promise<void> {
    return this.#log.trim(topic, partition, before);
  }

  /** Waits for what was begun. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#latest.values());
    await Promise.allSettled(this.#appending);
  }

  #next<T>(about: ReadonlySet<string>, work: () => Promise<T>): Promise<T> {
    const result = Promise.all([...about].map((each) => this.#latest.get(each))).then(work);
    const settled: Promise<unknown> = result
      .catch(() => undefined)
      .then(() => {
        for (const each of about) if (this.#latest.get(each) === settled) this.#latest.delete(each);
      });
    for (const each of about) this.#latest.set(each, settled);
    return result;
  }

  #keyed(subject: Subject): readonly KeyedSubject[] {
    const { key } = subject;
    return [...this.#topics].filter((topic) => isOfType(subject, topic)).map((topic) => ({ topic, key }));
  }

  /** Of each, by its place. */
  async #keysOf(personal: readonly Append[]): Promise<readonly SubjectKey[]> {
    return personal.length === 0 ? [] : this.#keys.present(personal.map(subjectOf));
  }

  #encrypted(records: readonly Append[], keys: readonly SubjectKey[]): readonly Append[] {
    if (keys.length === 0) return records;
    const left = keys.values();
    return records.map((record) => {
      if (!this.#topics.has(record.topic)) return record;
      const key = left.next().value;
      if (key === undefined) throw new Error("each record has its subject's key");
      return { ...record, key: null, value: encryptEvent(record.value, key) };
    });
  }

  /**
   * What a key was retired from meanwhile may lie beyond its bound, where nobody reads it: it is appended once more
   * with the next key, before anybody hears that it was. Where it lies before the bound the erasure takes it out, and
   * the other one stays.
   */
  async #again(
    personal: readonly Append[],
    keys: readonly SubjectKey[],
    position: Position,
  ): Promise<Position> {
    const retired = await this.#keys.retired?.(new Set(keys.map(({ id }) => id)));
    if (retired === undefined || retired.size === 0) return position;
    const left = personal.filter((_, i) => retired.has(keys[i]?.id ?? ""));
    return laterOf(position, await this.append(left));
  }

  async *#decryptedAll(batches: AsyncIterable<LogBatch>): AsyncGenerator<LogBatch> {
    for await (const batch of batches) yield this.#decrypted(batch);
  }

  async #decrypted(batch: LogBatch): Promise<LogBatch> {
    const encrypted = batch.records.map(({ value }) => readEncrypted(value));
    const ids = new Set(encrypted.flatMap((each) => each?.keyId ?? []));
    if (ids.size === 0) return batch;
    // No longer than for a batch: a key that is destroyed meanwhile opens nothing any more.
    const found = await this.#keys.findAll(batch.topic, ids);
    const records: LogRecord[] = [];
    const forgotten: Offset[] = [];
    for (const [i, record] of batch.records.entries()) {
      const key = found.get(encrypted[i]?.keyId ?? "");
      if (key === "destroyed" || record.offset >= (key?.bound?.[batch.partition] ?? Infinity)) {
        forgotten.push(record.offset);
        continue;
      }
      const value = key && encrypted[i]?.open(key.key);
      records.push(value === undefined ? record : withValue(record, value));
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

function laterOf(a: Position, b: Position): Position {
  const later = new Map([...a].map(([topic, nexts]) => [topic, new Map(nexts)]));
  for (const [topic, nexts] of b) {
    const own = later.get(topic) ?? new Map<number, Offset>();
    for (const [partition, next] of nexts) own.set(partition, next);
    later.set(topic, own);
  }
  return later;
}
