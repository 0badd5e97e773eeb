import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Database, open, type RootDatabase } from "lmdb";
import type { Cut } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { durableCommits } from "../lmdb.ts";
import type { SubjectKey } from "./encrypted-event.ts";
import { KeyWrapping, nameOf, newKey } from "./key-wrapping.ts";
import type { FoundKey, KeyedSubject, LogKeys } from "./log-keys.ts";
import { masterKeyVariable } from "./master-key.ts";

/** The names of a subject's keys: the one that events are encrypted with now, and those of before an erasure that is not done. */
interface Stored {
  readonly present?: string;
  readonly former: readonly string[];
}

export interface SubjectKeysOptions {
  /** A folder. */
  readonly path: string;
  readonly masterKey: Uint8Array;
  /** One thread of one process writes, any number read. */
  readonly mode: "writer" | "reader";
}

export interface KeyCount {
  readonly held: number;
  readonly destroyed: number;
}

/** Keys at hand, so that they are not unwrapped for every event. */
const maxPresent = 65_536;

export function areThere(path: string): boolean {
  return existsSync(join(path, "data.mdb"));
}

/**
 * Subjects' keys in an LMDB folder, each wrapped with the master key. A subject is under an HMAC of its name, so that
 * the folder names nobody. A key that was destroyed leaves its own name, which is random: so a record whose key is gone
 * can be told from one whose key was never here. Calls that write are to be made one after another.
 */
export class SubjectKeys implements LogKeys, AsyncDisposable {
  readonly #root: RootDatabase;
  readonly #subjects: Database<Stored, string>;
  readonly #keys: Database<Buffer, string>;
  readonly #destroyed: Database<boolean, string>;
  readonly #wrapping: KeyWrapping;
  /** Of the writer. */
  readonly #present = new Map<string, SubjectKey>();

  /** TIDEMARK_NOT_READY if a reader finds none, TIDEMARK_CONFIG if they are wrapped with another master key. */
  static async open(options: SubjectKeysOptions): Promise<SubjectKeys> {
    const { path, mode } = options;
    if (mode === "reader" && !areThere(path)) {
      throw new TidemarkError("TIDEMARK_NOT_READY", `there are no subjects' keys at ${path}`);
    }
    const keys = new SubjectKeys(options);
    try {
      await keys.#requireMasterKey(options);
      return keys;
    } catch (error) {
      await keys[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor({ path, masterKey, mode }: SubjectKeysOptions) {
    const readOnly = mode === "reader";
    this.#root = open({ path, noSubdir: false, maxDbs: 4, readOnly, ...durableCommits });
    this.#subjects = this.#root.openDB<Stored, string>("subjects", { encoding: "json" });
    this.#keys = this.#root.openDB<Buffer, string>("keys", { encoding: "binary" });
    this.#destroyed = this.#root.openDB<boolean, string>("destroyed", { encoding: "json" });
    this.#wrapping = new KeyWrapping(masterKey);
  }

  async present(subjects: readonly KeyedSubject[]): Promise<readonly SubjectKey[]> {
    const keys = new Map<string, SubjectKey>();
    const made = new Map<string, SubjectKey>();
    for (const subject of subjects) {
      const name = nameOf(subject);
      if (keys.has(name)) continue;
      const known = this.#present.get(name) ?? this.#stored(name);
      const key = known ?? newKey("base64url");
      keys.set(name, key);
      if (known === undefined) made.set(name, key);
    }
    if (made.size > 0) {
      await this.#write(() => {
        for (const [name, key] of made) {
          const index = this.#indexOf(name);
          const { id } = key;
          void this.#keys.put(id, this.#wrapping.wrap(key));
          void this.#subjects.put(index, { former: [], ...this.#subjects.get(index), present: id });
        }
      });
    }
    if (this.#present.size + keys.size > maxPresent) this.#present.clear();
    return subjects.map((subject) => {
      const name = nameOf(subject);
      const key = keys.get(name) as SubjectKey;
      this.#present.set(name, key);
      return key;
    });
  }

  /** From here on `find` sees all that is committed, by any process. */
  refresh(): void {
    this.#root.resetReadTxn();
  }

  /** The key of that name; undefined if it was never here. */
  find(id: string): FoundKey {
    const wrapped = this.#keys.get(id);
    if (wrapped !== undefined) return { key: this.#wrapping.unwrap(id, wrapped) };
    return this.#destroyed.get(id) === undefined ? undefined : "destroyed";
  }

  async findAll(_topic: string, ids: ReadonlySet<string>): Promise<ReadonlyMap<string, FoundKey>> {
    this.refresh();
    return new Map([...ids].map((id) => [id, this.find(id)]));
  }

  async retire(subjects: readonly KeyedSubject[]): Promise<Cut> {
    await this.#change(subjects, ({ present, former }) => ({
      former: present === undefined ? former : [...former, present],
    }));
    return {};
  }

  /** LMDB's free pages may hold them until its file is written anew. */
  async destroy(subjects: readonly KeyedSubject[]): Promise<number> {
    let destroyed = 0;
    await this.#change(subjects, ({ former, ...stored }) => {
      for (const id of former) {
        void this.#keys.remove(id);
        void this.#destroyed.put(id, true);
      }
      destroyed += former.length;
      return { ...stored, former: [] };
    });
    return destroyed;
  }

  count(): KeyCount {
    this.refresh();
    const entries = (store: Database<never, string>) =>
      (store.getStats() as { entryCount: number }).entryCount;
    return { held: entries(this.#keys as never), destroyed: entries(this.#destroyed as never) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root.close();
  }

  #stored(name: string): SubjectKey | undefined {
    const id = this.#subjects.get(this.#indexOf(name))?.present;
    const wrapped = id === undefined ? undefined : this.#keys.get(id);
    return id === undefined || wrapped === undefined
      ? undefined
      : { id, key: this.#wrapping.unwrap(id, wrapped) };
  }

  async #change(subjects: readonly KeyedSubject[], to: (stored: Stored) => Stored): Promise<void> {
    const names = subjects.map(nameOf);
    for (const name of names) this.#present.delete(name);
    await this.#write(() => {
      for (const index of names.map((name) => this.#indexOf(name))) {
        const stored = this.#subjects.get(index);
        if (stored === undefined) continue;
        const changed = to(stored);
        if (changed.present === undefined && changed.former.length === 0) void this.#subjects.remove(index);
        else void this.#subjects.put(index, changed);
      }
    });
  }

  async #write(changes: () => void): Promise<void> {
    await this.#root.transaction(changes).catch((cause: unknown) => {
      throw new TidemarkError(
        "TIDEMARK_INGEST_DISK",
        "the subjects' keys could not be written: is the disk full?",
        { cause },
      );
    });
  }

  #indexOf(name: string): string {
    return this.#wrapping.indexOf(name).toString("base64url");
  }

  /** The store knows its master key by what an HMAC with it makes of a name that no subject has. */
  async #requireMasterKey({ path, mode }: SubjectKeysOptions): Promise<void> {
    const mark = this.#indexOf("");
    if (mode === "writer" && this.count().held + this.count().destroyed === 0) {
      await this.#subjects.put(markKey, { present: mark, former: [] });
    }
    if (this.#subjects.get(markKey)?.present === mark) return;
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `the subjects' keys at ${path} are wrapped with another master key: give ${masterKeyVariable}, or the file beside the folder, the one that they were made with`,
    );
  }
}

/** No HMAC in base64url is so short. */
const markKey = "master";
