/** What a client has to be told that knows the rows of some change. */
export interface Difference {
  /** As JSON. */
  readonly rows: readonly string[];
  /** Keys of rows that are gone, as JSON. */
  readonly gone: readonly string[];
}

/**
 * The rows of a live query as they were last, by the JSON of their keys, each with the number of the change that it came
 * with. So whoever knows the rows of any change can be brought up to date at once, however many there were since.
 */
export class ToldRows {
  readonly #mostGone: number;
  #rows: ReadonlyMap<string, { readonly text: string; readonly change: number }> = new Map();
  /** The change with which each key went, in that order. */
  readonly #gone = new Map<string, number>();
  /** What went with this change or before is not all in `#gone`. */
  #forgotten = 0;
  #change = 0;

  /** Remembers so many keys of rows that are gone. */
  constructor(mostGone: number) {
    this.#mostGone = mostGone;
  }

  /** Of the last change; 0 before the first. */
  get change(): number {
    return this.#change;
  }

  /** All rows, in the answer's order. */
  get all(): readonly string[] {
    return [...this.#rows.values()].map(({ text }) => text);
  }

  /** Takes rows by key in the answer's order for what the answer is now, and says whether that is a change. */
  replace(page: ReadonlyMap<string, string>): boolean {
    const change = this.#change + 1;
    const rows = new Map<string, { readonly text: string; readonly change: number }>();
    let isChange = this.#change === 0;
    for (const [key, text] of page) {
      const before = this.#rows.get(key);
      const isSame = before?.text === text;
      rows.set(key, isSame ? before : { text, change });
      if (isSame) continue;
      isChange = true;
      this.#gone.delete(key);
    }
    for (const key of this.#rows.keys()) {
      if (page.has(key)) continue;
      isChange = true;
      this.#gone.set(key, change);
    }
    this.#rows = rows;
    if (isChange) this.#change = change;
    for (const [key, goneWith] of this.#gone) {
      if (this.#gone.size <= this.#mostGone) break;
      this.#gone.delete(key);
      this.#forgotten = goneWith;
    }
    return isChange;
  }

  /** Undefined if that can't be known: all rows have to be told then. */
  since(known: number): Difference | undefined {
    if (known < Math.max(1, this.#forgotten) || known > this.#change) return undefined;
    const rows: string[] = [];
    for (const { text, change } of this.#rows.values()) if (change > known) rows.push(text);
    const gone: string[] = [];
    for (const [key, change] of this.#gone) if (change > known) gone.push(key);
    return { rows, gone };
  }
}
