import type { Value } from "../views/aggregate.ts";
import { compareText } from "../views/text-order.ts";

/** A row's values in the order that the query asks for, ended by the row's key: no two rows have the same. */
export type OrderKey = readonly Value[];

/** Order of DuckDB's `ORDER BY … NULLS FIRST`: false before true, text by its UTF-8 bytes, NaN after every number. */
export function compareValues(a: Value, b: Value): number {
  if (a === null) return b === null ? 0 : -1;
  if (b === null) return 1;
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  // Of histograms it only matters whether they are equal.
  if (typeof a === "object" || typeof b === "object")
    return compareText(JSON.stringify(a), JSON.stringify(b));
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

export type CompareKeys = (a: OrderKey, b: OrderKey) => number;

export function compareBy(descending: readonly boolean[]): CompareKeys {
  return (a, b) => {
    for (let i = 0; i < descending.length; i++) {
      const difference = compareValues(a[i] ?? null, b[i] ?? null);
      if (difference !== 0) return descending[i] === true ? -difference : difference;
    }
    return 0;
  };
}

interface Ordered<R> {
  readonly key: OrderKey;
  readonly row: R;
}

/** The first `size` of the rows offered that come after `after`; holds no more than these (a heap, the greatest on top). */
export class FirstRows<R> {
  readonly #size: number;
  readonly #compare: CompareKeys;
  readonly #after: OrderKey | undefined;
  readonly #heap: Ordered<R>[] = [];

  constructor(size: number, compare: CompareKeys, after: OrderKey | undefined) {
    this.#size = size;
    this.#compare = compare;
    this.#after = after;
  }

  get isFull(): boolean {
    return this.#heap.length >= this.#size;
  }

  offer(key: OrderKey, row: R): void {
    if (this.#after !== undefined && this.#compare(key, this.#after) <= 0) return;
    const heap = this.#heap;
    if (heap.length < this.#size) {
      heap.push({ key, row });
      this.#rise(heap.length - 1);
      return;
    }
    const greatest = heap[0];
    if (greatest === undefined || this.#compare(key, greatest.key) >= 0) return;
    heap[0] = { key, row };
    this.#sink();
  }

  sorted(): readonly Ordered<R>[] {
    return this.#heap.sort((a, b) => this.#compare(a.key, b.key));
  }

  #rise(from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#swapIfGreater(at, above)) return;
      at = above;
    }
  }

  #sink(): void {
    const { length } = this.#heap;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      if (left >= length) return;
      const right = left + 1;
      const greater = right < length && this.#isGreater(right, left) ? right : left;
      if (!this.#swapIfGreater(greater, at)) return;
      at = greater;
    }
  }

  #isGreater(i: number, j: number): boolean {
    const a = this.#heap[i];
    const b = this.#heap[j];
    return a !== undefined && b !== undefined && this.#compare(a.key, b.key) > 0;
  }

  #swapIfGreater(i: number, j: number): boolean {
    const a = this.#heap[i];
    const b = this.#heap[j];
    if (a === undefined || b === undefined || this.#compare(a.key, b.key) <= 0) return false;
    this.#heap[i] = b;
    this.#heap[j] = a;
    return true;
  }
}
