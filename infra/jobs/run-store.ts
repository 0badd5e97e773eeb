import { type Database, open, type RootDatabase } from "lmdb";
import { durableCommits } from "../lmdb.ts";
import type { Run } from "./jobs.ts";

/** A run with what only the queue needs to know of it. */
export interface StoredRun {
  /** Rises by one per run: the order in which they were asked for. */
  readonly number: number;
  readonly run: Run;
  /** How often it was begun and not given back. */
  readonly attempts: number;
  /** Somebody asked for it to stop. */
  readonly isStopping: boolean;
}

/** Every run that is queued or going on and the last ones that ended, in LMDB. */
export class RunStore implements AsyncDisposable {
  readonly #root: RootDatabase;
  readonly #runs: Database<StoredRun, number>;
  readonly #numbers: Database<number, string>;
  readonly #keep: number;

  /** Keeps the last `keep` runs; of those that have not ended, all. */
  constructor(path: string, keep: number) {
    this.#root = open({ path, maxDbs: 2, ...durableCommits });
    this.#runs = this.#root.openDB<StoredRun, number>({ name: "runs", encoding: "json" });
    this.#numbers = this.#root.openDB<number, string>({ name: "numbers", encoding: "json" });
    this.#keep = keep;
  }

  get nextNumber(): number {
    const [latest] = this.#runs.getKeys({ reverse: true, limit: 1 });
    return (latest ?? 0) + 1;
  }

  /** Resolves once durable. */
  async put(stored: StoredRun): Promise<void> {
    await this.#root.transaction(() => {
      this.#runs.put(stored.number, stored);
      this.#numbers.put(stored.run.id, stored.number);
      const from = stored.number - this.#keep;
      for (const { key, value } of [...this.#runs.getRange({ start: from, reverse: true })]) {
        if (!hasEnded(value.run)) continue;
        this.#runs.remove(key);
        this.#numbers.remove(value.run.id);
      }
    });
  }

  get(id: string): Run | undefined {
    const number = this.#numbers.get(id);
    return number === undefined ? undefined : this.#runs.get(number)?.run;
  }

  /** Newest first. */
  list(limit: number): readonly Run[] {
    return [...this.#runs.getRange({ reverse: true, limit })].map(({ value }) => value.run);
  }

  /** Those that have not ended, oldest first. */
  unfinished(): readonly StoredRun[] {
    return [...this.#runs.getRange({})].flatMap(({ value }) => (hasEnded(value.run) ? [] : [value]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root.close();
  }
}

function hasEnded({ state }: Run): boolean {
  return state !== "queued" && state !== "running";
}
