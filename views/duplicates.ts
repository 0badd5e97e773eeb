import type { Offset } from "./cut.ts";

/**
 * The duplicate rule of one partition: a record is a duplicate if the same (source, id) stands among the N records
 * before it. "N before" is counted in offsets, so that where a reader starts does not matter once it has seen N.
 *
 * Two generations of at most N entries each: the young takes new ones; when it has N, it becomes the old and the
 * former old, whose records all lie further back than N, is dropped. Memory is bounded, no entry is ever deleted singly.
 */
export class DuplicateWindow {
  readonly #records: number;
  #young = new Map<string, Map<string, Offset>>();
  #old = new Map<string, Map<string, Offset>>();
  #youngSize = 0;
  /** The source noted last, and its ids: most records come from where the one before them came from. */
  #source: string | undefined;
  #youngIds = new Map<string, Offset>();
  #oldIds: ReadonlyMap<string, Offset> | undefined;

  constructor(records: number) {
    this.#records = records;
  }

  /** Notes the record and says whether it is a duplicate. Offsets must rise from call to call. */
  note(source: string, id: string, at: Offset): boolean {
    if (this.#records === 0) return false;
    if (source !== this.#source) this.#turnTo(source);
    const before = this.#youngIds.get(id) ?? this.#oldIds?.get(id);
    this.#youngIds.set(id, at);
    if (++this.#youngSize >= this.#records) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngSize = 0;
      this.#source = undefined;
    }
    return before !== undefined && at - before <= this.#records;
  }

  #turnTo(source: string): void {
    let ids = this.#young.get(source);
    if (ids === undefined) {
      ids = new Map();
      this.#young.set(source, ids);
    }
    this.#source = source;
    this.#youngIds = ids;
    this.#oldIds = this.#old.get(source);
  }
}
