import { readChange } from "../../infra/changes/change-record.ts";
import type { Consumer, Log, LogBatch, Topic } from "../../infra/log/log.ts";
import type { Offset } from "../../views/cut.ts";
import { hashOf } from "./hash.ts";

export interface ToldChangesParts {
  /** Has the topic. */
  readonly log: Log;
  readonly topic: Topic;
  /** Whose records are noted here as they are acknowledged, and need not be heard. */
  readonly publisher: string;
}

/**
 * Which rows a topic of changes tells, by their keys: read from its beginning on, and from then on whatever another publisher
 * writes. Of a row a hash is kept, so that it takes little more than its key.
 */
export class ToldChanges implements AsyncDisposable {
  readonly #parts: ToldChangesParts;
  readonly #consumer: Consumer;
  readonly #rows = new Map<string, number>();
  /** By partition of the topic, that of the last record. */
  readonly #positions: string[] = [];
  readonly #nexts: Offset[];
  #isReading = true;
  #isDisturbed = false;
  #failure: { readonly error: unknown } | undefined;
  #heard: () => void = () => undefined;

  /**
   * Comes back once it knows what there was when it was called. `disturbed` is called when another writes after that, or when
   * the topic can't be read any more.
   */
  static async read(parts: ToldChangesParts, disturbed: () => void): Promise<ToldChanges> {
    const { log, topic } = parts;
    const [starts, ends] = [await log.starts(topic.name), await log.nexts(topic.name)];
    const told = new ToldChanges(parts, starts);
    try {
      while (ends.some((end, partition) => (told.#nexts[partition] ?? end) < end)) {
        await new Promise<void>((resolve) => {
          told.#heard = resolve;
        });
        told.takeDisturbance();
      }
    } catch (error) {
      await told[Symbol.asyncDispose]();
      throw error;
    }
    told.#isReading = false;
    told.#heard = disturbed;
    return told;
  }

  private constructor(parts: ToldChangesParts, starts: readonly Offset[]) {
    this.#parts = parts;
    this.#nexts = [...starts];
    this.#consumer = parts.log.consume({
      topic: parts.topic.name,
      position: (partition) => this.#nexts[partition] ?? (0 as Offset),
      handle: (batch) => this.#hear(batch),
    });
    this.#consumer.done.catch((error: unknown) => {
      this.#failure = { error };
      this.#heard();
    });
  }

  /** Whether another has written since the last call, or since it was read. Throws what keeps the topic from being read. */
  takeDisturbance(): boolean {
    if (this.#failure !== undefined) throw this.#failure.error;
    const isDisturbed = this.#isDisturbed;
    this.#isDisturbed = false;
    return isDisturbed;
  }

  /** The last positions that it tells rows of, in their text form. */
  get positions(): readonly string[] {
    return this.#positions.filter((position) => position !== undefined && position !== "");
  }

  /** Whether the topic tells this very row last. */
  tells(key: string, row: string): boolean {
    return this.#rows.get(key) === hashOf(row);
  }

  /** Whether it tells any row of this key. */
  has(key: string): boolean {
    return this.#rows.has(key);
  }

  keys(): Iterable<string> {
    return this.#rows.keys();
  }

  /** It tells this row now; null: none. */
  note(key: string, row: string | null): void {
    if (row === null) this.#rows.delete(key);
    else this.#rows.set(key, hashOf(row));
  }

  #hear({ partition, next, records }: LogBatch): void {
    let isForeign = false;
    for (const record of records) {
      const change = readChange(record);
      if (change === undefined || change.publisher === this.#parts.publisher) continue;
      this.note(change.key, change.row);
      this.#positions[partition] = change.position;
      isForeign = true;
    }
    this.#nexts[partition] = next;
    if (isForeign) this.#isDisturbed = true;
    if (isForeign || this.#isReading) this.#heard();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer[Symbol.asyncDispose]();
  }
}
