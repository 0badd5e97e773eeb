import { type Database, open, type RootDatabase } from "lmdb";
import { durableCommits } from "../lmdb.ts";
import { type Run, reviveRun, withoutExamples } from "./jobs.ts";
import { type HeldRun, hasEnded } from "./settle.ts";

export interface StoredRun extends HeldRun {
  /** Rises by one per run: the order in which they were asked for. */
  readonly number: number;
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

  /** Keeps of what each run found no rows, which are of what there was then. Resolves once durable. */
  async forgetExamples(): Promise<void> {
    await this.#root.transaction(() => {
      for (const { key, value } of [...this.#runs.getRange({})]) {
        this.#runs.put(key, { ...value, run: withoutExamples(reviveRun(value.run)) });
      }
    });
  }

  get(id: string): Run | undefined {
    const number = this.#numbers.get(id);
    const stored = number === undefined ? undefined : this.#runs.get(number);
    return stored && reviveRun(stored.run);
  }

  /** Newest first. */
  list(limit: number): readonly Run[] {
    return [...this.#runs.getRange({ reverse: true, limit })].map(({ value }) => reviveRun(value.run));
  }

  /** Those that have not ended, oldest first. */
  unfinished(): readonly StoredRun[] {
    // Runs of former versions have no failures.
    const of = (value: StoredRun): StoredRun => ({
      ...{ ...value, run: reviveRun(value.run), failures: value.failures ?? 0, retryAt: null },
    });
    return [...this.#runs.getRange({})].flatMap(({ value }) => (hasEnded(value.run) ? [] : [of(value)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root.close();
  }
}
