import type { Offset } from "./cut.ts";
import { hashOf } from "./hash.ts";
import { IdTable } from "./id-table.ts";

/**
 * The duplicate rule of one partition: a record is a duplicate if the same (source, id) stands among the N records
 * before it. "N before" is counted in offsets, so that where a reader starts does not matter once it has seen N.
 *
 * Two generations of at most N entries each: the young takes new ones; when it has N, it becomes the old and the
 * former old, whose records all lie further back than N, is emptied. Memory is bounded, no entry is ever deleted singly.
 */
export class DuplicateWindow {
  readonly #records: number;
  #young = new IdTable();
  #old = new IdTable();
  /** The source noted last, and its numbers: most records come from where the one before them came from. */
  #source: string | undefined;
  #inYoung = 0;
  #inOld = 0;

  constructor(records: number) {
    this.#records = records;
  }

  /** Notes the record and says whether it is a duplicate. Offsets must rise from call to call. */
  note(source: string, id: string, at: Offset): boolean {
    if (this.#records === 0) return false;
    if (source !== this.#source) {
      this.#source = source;
      this.#inYoung = this.#young.sourceNumber(source);
      this.#inOld = this.#old.sourceNumber(source);
    }
    const hash = hashOf(id);
    const before = this.#young.get(this.#inYoung, id, hash) ?? this.#old.get(this.#inOld, id, hash);
    this.#young.add(this.#inYoung, id, hash, at);
    if (this.#young.size >= this.#records) {
      [this.#young, this.#old] = [this.#old, this.#young];
      this.#young.clear();
      this.#source = undefined;
    }
    return before !== undefined && at - before <= this.#records;
  }
}
