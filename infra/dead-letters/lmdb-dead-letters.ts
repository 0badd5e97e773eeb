import { setImmediate as turn } from "node:timers/promises";
import { type Database, open } from "lmdb";
import { TidemarkError } from "../../views/errors.ts";
import { durableCommits } from "../lmdb.ts";
import {
  type DeadLetter,
  type DeadLetterPage,
  type DeadLetterQuery,
  type DeadLetters,
  maxRawBytes,
  type NewDeadLetter,
} from "./dead-letters.ts";

/**
 * Letters are under their number, from 1; beside them what was replayed, by partition the offset put last, and how many were
 * erased. One that was erased leaves its number.
 */
type Key = number | ["replayed", number] | ["reached", string, number] | ["erased"];
type Stored = Omit<NewDeadLetter, "topic" | "record"> & Partial<Pick<NewDeadLetter, "topic" | "record">>;

/** Letters looked at in one turn of the event loop. */
const lettersPerTurn = 200;

/** Dead letters in an LMDB folder. Several processes may put: numbers are given inside the write transaction. */
export class LmdbDeadLetters implements DeadLetters {
  readonly #store: Database<Stored | number | true, Key>;

  static async open({ path }: { readonly path: string }): Promise<LmdbDeadLetters> {
    return new LmdbDeadLetters(path);
  }

  private constructor(path: string) {
    this.#store = open<Stored | number | true, Key>({
      path,
      noSubdir: false,
      encoding: "msgpack",
      ...durableCommits,
    });
  }

  /** Throws TIDEMARK_INGEST_DISK if they could not be written. */
  async put(letters: readonly NewDeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    await this.#write(() => {
      let number = this.#newest();
      for (const letter of letters) {
        if (!this.#isNew(letter)) continue;
        const raw = Buffer.from(letter.raw.subarray(0, maxRawBytes));
        this.#store.put(++number, { ...letter, raw });
      }
    });
  }

  async list({ before, limit, topic, code }: DeadLetterQuery): Promise<DeadLetterPage> {
    this.#store.resetReadTxn();
    let next = before === undefined ? this.#newest() : readNumber(before) - 1;
    const letters: DeadLetter[] = [];
    while (next > 0) {
      const range = this.#store.getRange({ start: next, end: 0, reverse: true, limit: lettersPerTurn });
      for (const { key, value } of range) {
        if (letters.length === limit) return { letters, before: letters.at(-1)?.id ?? null };
        next = (key as number) - 1;
        if (value === true) continue;
        const letter = this.#letter(key as number, value as Stored);
        if (topic !== undefined && letter.topic !== topic) continue;
        if (code === undefined || letter.code === code) letters.push(letter);
      }
      await turn();
    }
    return { letters, before: null };
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    this.#store.resetReadTxn();
    const number = /^[1-9]\d{0,14}$/.test(id) ? Number(id) : 0;
    const stored = number === 0 ? undefined : this.#store.get(number);
    return stored === undefined || stored === true ? undefined : this.#letter(number, stored as Stored);
  }

  /** How many letters the erasure is of. */
  async countOf(isErased: (letter: DeadLetter) => boolean): Promise<number> {
    let count = 0;
    for await (const letter of this.#letters()) if (isErased(letter)) count++;
    return count;
  }

  /** Takes letters out for good; their numbers are given to no other. Durable when it resolves. */
  async erase(isErased: (letter: DeadLetter) => boolean): Promise<void> {
    for await (const letter of this.#letters()) {
      if (!isErased(letter)) continue;
      const number = Number(letter.id);
      await this.#write(() => {
        this.#store.put(number, true);
        this.#store.remove(["replayed", number]);
        this.#store.put(["erased"], this.#erased() + 1);
      });
    }
  }

  async *#letters(): AsyncGenerator<DeadLetter, void, undefined> {
    let before: string | undefined;
    do {
      const page = await this.list({ limit: lettersPerTurn, ...(before !== undefined && { before }) });
      yield* page.letters;
      before = page.before ?? undefined;
    } while (before !== undefined);
  }

  async markReplayed(id: string): Promise<void> {
    await this.#write(() => void this.#store.put(["replayed", readNumber(id)], true));
  }

  async count(): Promise<number> {
    this.#store.resetReadTxn();
    return this.#newest() - this.#erased();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store.close();
  }

  #letter(number: number, { topic = null, record = null, ...stored }: Stored): DeadLetter {
    const isReplayed = this.#store.get(["replayed", number]) === true;
    return { ...stored, topic, record, id: String(number), isReplayed };
  }

  /** Whether it is no record that was put before; notes how far its partition has been put. */
  #isNew({ topic, record }: NewDeadLetter): boolean {
    if (topic === null || record === null) return true;
    const key: Key = ["reached", topic, record.partition];
    const reached = this.#store.get(key) ?? -1;
    if (record.offset <= (reached as number)) return false;
    this.#store.put(key, record.offset);
    return true;
  }

  async #write(changes: () => void): Promise<void> {
    await this.#store.transaction(changes).catch((cause: unknown) => {
      throw new TidemarkError(
        "TIDEMARK_INGEST_DISK",
        "rejected events could not be put in the dead-letter store: is the disk full?",
        { cause },
      );
    });
  }

  #erased(): number {
    return (this.#store.get(["erased"]) as number | undefined) ?? 0;
  }

  /** No number is ever given twice: the newest one is also how many letters there were. */
  #newest(): number {
    const [newest] = this.#store.getKeys({
      start: Number.MAX_SAFE_INTEGER,
      end: 0,
      reverse: true,
      limit: 1,
    });
    return (newest as number | undefined) ?? 0;
  }
}

function readNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new TidemarkError(
    "TIDEMARK_QUERY_PARAMETER",
    `before="${text.slice(0, 100)}": give what the page before has as "before"`,
  );
}
