import { type Database, open } from "lmdb";
import { TidemarkError } from "../../views/errors.ts";
import { durableCommits } from "../lmdb.ts";
import type { DeadLetter, DeadLetters } from "./dead-letters.ts";

/** A letter's raw bytes are kept up to this length. */
export const maxRawBytes = 64 * 1024;

type Stored = Omit<DeadLetter, "id">;

/** Dead letters in an LMDB folder. Several processes may put: ids are given inside the write transaction. */
export class LmdbDeadLetters implements DeadLetters {
  readonly #letters: Database<Stored, number>;

  static async open({ path }: { readonly path: string }): Promise<LmdbDeadLetters> {
    return new LmdbDeadLetters(path);
  }

  private constructor(path: string) {
    this.#letters = open<Stored, number>({
      path,
      noSubdir: false,
      encoding: "msgpack",
      ...durableCommits,
    });
  }

  /** Throws TIDEMARK_INGEST_DISK if they could not be written. */
  async put(letters: readonly Omit<DeadLetter, "id">[]): Promise<void> {
    if (letters.length === 0) return;
    const written = this.#letters.transaction(() => {
      let id = this.#newest();
      for (const letter of letters) {
        const raw = Buffer.from(letter.raw.subarray(0, maxRawBytes));
        this.#letters.put(++id, { ...letter, raw });
      }
    });
    await written.catch((cause: unknown) => {
      throw new TidemarkError(
        "TIDEMARK_INGEST_DISK",
        "rejected events could not be put in the dead-letter store: is the disk full?",
        { cause },
      );
    });
  }

  async list(query: { readonly before?: number; readonly limit: number }): Promise<readonly DeadLetter[]> {
    this.#letters.resetReadTxn();
    const start = (query.before ?? Number.MAX_SAFE_INTEGER) - 1;
    const range = this.#letters.getRange({ start, end: 0, reverse: true, limit: query.limit });
    return [...range].map(({ key, value }) => ({ id: key, ...value }));
  }

  async count(): Promise<number> {
    this.#letters.resetReadTxn();
    return this.#newest();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#letters.close();
  }

  /** Ids count from 1 and no letter is ever taken out: the newest id is also how many there are. */
  #newest(): number {
    const [newest] = this.#letters.getKeys({
      start: Number.MAX_SAFE_INTEGER,
      end: 0,
      reverse: true,
      limit: 1,
    });
    return newest ?? 0;
  }
}
