import { type Offset, offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Log, LogRecord, Topic } from "../log/log.ts";
import type {
  DeadLetter,
  DeadLetterPage,
  DeadLetterQuery,
  DeadLetters,
  NewDeadLetter,
} from "./dead-letters.ts";
import { letterTopic, movedLetter, readLetter, replayedMark, toAppend } from "./letter-record.ts";
import { LetterTopic } from "./letter-topic.ts";

export interface LogDeadLettersParts {
  /** Opened with the topics of `deadLetterTopics`, among others. */
  readonly log: Log;
  /** The app's name and those of its event types. */
  readonly app: string;
  readonly types: readonly string[];
}

/** The topics that the dead letters of an app are in, which have one partition each. */
export function deadLetterTopics(app: string, types: readonly string[]): readonly Topic[] {
  return [...types, null].map((type) => ({ name: letterTopic(app, type), partitions: 1 }));
}

/** Letters read at once. */
const lettersPerRead = 100;

/** Dead letters in topics of a log. Any number of processes may put and read; each finds the same. */
export class LogDeadLetters implements DeadLetters {
  readonly #log: Log;
  readonly #app: string;
  readonly #topics: readonly LetterTopic[];

  constructor({ log, app, types }: LogDeadLettersParts) {
    this.#log = log;
    this.#app = app;
    this.#topics = [...types, null].map((type) => new LetterTopic(log, letterTopic(app, type), type));
  }

  async put(letters: readonly NewDeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    await this.#log.append(letters.map((letter) => toAppend(letter, this.#topicOf(letter).name)));
  }

  /** Newest first by when they were received, as far as the order within a topic allows. */
  async list({ before, limit, topic, code }: DeadLetterQuery): Promise<DeadLetterPage> {
    const from = before === undefined ? undefined : readBefore(before);
    const wanted = this.#topics.filter(({ type }) => topic === undefined || type === topic);
    const readers: Backwards[] = [];
    for (const each of wanted) {
      await each.refresh();
      readers.push(
        new Backwards(this.#log, each, from?.get(each.name) ?? (from === undefined ? each.next : 0), code),
      );
    }
    const letters: DeadLetter[] = [];
    while (true) {
      let newest: Backwards | undefined;
      for (const reader of readers) {
        await reader.ready();
        if (
          reader.head !== undefined &&
          !(newest?.head !== undefined && newest.head.receivedAt >= reader.head.receivedAt)
        )
          newest = reader;
      }
      if (newest?.head === undefined) return { letters, before: null };
      if (letters.length === limit)
        return { letters, before: readers.map(({ position }) => position).join(",") };
      letters.push(newest.head);
      newest.pop();
    }
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const found = await this.#find(id);
    if (found === undefined) return undefined;
    const { topic, at } = found;
    for await (const { records } of this.#log.read(topic.name, 0, at, (at + 1) as Offset)) {
      for (const record of records) return letterAt(topic, record);
    }
    return undefined;
  }

  async markReplayed(id: string): Promise<void> {
    const found = await this.#find(id);
    if (found === undefined) throw new Error(`there is no dead letter ${id} to mark`);
    await this.#log.append([replayedMark(found.topic.name, found.at)]);
  }

  async count(): Promise<number> {
    let count = 0;
    for (const topic of this.#topics) {
      await topic.refresh();
      count += topic.count;
    }
    return count;
  }

  /** How many letters the erasure is of. */
  async countOf(isErased: (letter: DeadLetter) => boolean): Promise<number> {
    let count = 0;
    for (const topic of this.#topics) count += await this.#countIn(topic, isErased);
    return count;
  }

  /**
   * Takes letters out for good: of a topic that has any, those that stay are put at its end, and what stands before is let
   * go of. So the ids of these change. Done again after a crash it comes to the same.
   */
  async erase(isErased: (letter: DeadLetter) => boolean): Promise<void> {
    for (const topic of this.#topics) {
      if ((await this.#countIn(topic, isErased)) === 0) continue;
      const next = offset(topic.next);
      for await (const held of this.#held(topic, next)) {
        const kept = held.filter(({ letter }) => !isErased(letter));
        const moved = kept.map(({ letter, record }) => movedLetter(topic.name, record, letter.isReplayed));
        if (moved.length > 0) await this.#log.append(moved);
      }
      await this.#log.trim(topic.name, 0, next);
    }
  }

  async #countIn(topic: LetterTopic, isErased: (letter: DeadLetter) => boolean): Promise<number> {
    await topic.refresh();
    let count = 0;
    for await (const held of this.#held(topic, offset(topic.next))) {
      count += held.filter(({ letter }) => isErased(letter)).length;
    }
    return count;
  }

  /** Oldest first, a batch at a time. */
  async *#held(topic: LetterTopic, next: Offset) {
    for await (const { records } of this.#log.read(topic.name, 0, offset(topic.start), next)) {
      yield records
        .filter(({ offset: at }) => topic.holds(at))
        .map((record) => ({ record, letter: letterAt(topic, record) }));
    }
  }

  /** The log is closed by whoever opened it. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #topicOf({ topic }: NewDeadLetter): LetterTopic {
    const found = this.#topics.find(({ type }) => type === topic) ?? this.#topics.at(-1);
    if (found === undefined) throw new Error(`app ${this.#app} has no topic for dead letters`);
    return found;
  }

  async #find(id: string): Promise<{ readonly topic: LetterTopic; readonly at: Offset } | undefined> {
    const [, name, at = ""] = /^(.*)@(\d{1,15})$/.exec(id) ?? [];
    const topic = this.#topics.find((each) => idPrefix(each) === name);
    if (topic === undefined) return undefined;
    await topic.refresh();
    return topic.holds(Number(at)) ? { topic, at: offset(Number(at)) } : undefined;
  }
}

/** Without the name's common ending. */
function idPrefix({ name }: LetterTopic): string {
  return name.slice(0, -".dead-letter".length);
}

function letterAt(topic: LetterTopic, record: LogRecord): DeadLetter {
  const isReplayed = topic.isReplayed(record.offset);
  return { ...readLetter(record, topic.type), id: `${idPrefix(topic)}@${record.offset}`, isReplayed };
}

/** One topic's letters from an offset down, a few at a time. */
class Backwards {
  readonly #log: Log;
  readonly #topic: LetterTopic;
  readonly #code: string | undefined;
  /** Newest last. */
  #held: { readonly letter: DeadLetter; readonly at: number }[] = [];
  /** Everything below is still to be read. */
  #next: number;
  #taken: number;

  constructor(log: Log, topic: LetterTopic, next: number, code: string | undefined) {
    this.#log = log;
    this.#topic = topic;
    this.#next = Math.min(next, topic.next);
    this.#taken = this.#next;
    this.#code = code;
  }

  get head(): DeadLetter | undefined {
    return this.#held.at(-1)?.letter;
  }

  /** Where another goes on that has not seen what was taken. */
  get position(): string {
    return `${this.#topic.name}@${this.#taken}`;
  }

  pop(): void {
    this.#taken = this.#held.pop()?.at ?? this.#taken;
  }

  /** There is a head after this, unless there are no more letters. */
  async ready(): Promise<void> {
    while (this.#held.length === 0 && this.#next > this.#topic.start) {
      const next = this.#next;
      this.#next = Math.max(this.#topic.start, next - lettersPerRead);
      for await (const { records } of this.#log.read(this.#topic.name, 0, offset(this.#next), offset(next))) {
        for (const record of records) {
          if (!this.#topic.holds(record.offset)) continue;
          const letter = letterAt(this.#topic, record);
          if (this.#code === undefined || letter.code === this.#code)
            this.#held.push({ letter, at: record.offset });
        }
      }
    }
  }
}

function readBefore(text: string): ReadonlyMap<string, number> {
  const parts = text.split(",").map((part) => /^(.+)@(\d{1,15})$/.exec(part));
  if (parts.some((part) => part === null)) {
    throw new TidemarkError(
      "TIDEMARK_QUERY_PARAMETER",
      `before="${text.slice(0, 100)}": give what the page before has as "before"`,
    );
  }
  return new Map(parts.map((part) => [part?.[1] ?? "", Number(part?.[2])]));
}
