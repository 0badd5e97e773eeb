import type { Scalar } from "../../views/expression.ts";
import { hashOfBytes, hashWith } from "../../views/hash.ts";
import type { Cell, StateColumn } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import type { GroupKey } from "./group-key.ts";
import { Int32List } from "./int32-list.ts";
import { cellsOf, dimensionsOf, type RowMemory, rowLayout } from "./row-bytes.ts";

/** Rows in the memory that they came in. */
interface Page extends RowMemory {
  /** Bytes of rows that have not been told anew since. */
  live: number;
}

/** Rows of one pane in the order in which they came: the first place and the last. */
interface PaneRows {
  readonly first: number;
  last: number;
}

/** As many bytes of rows are moved in one go. */
const movedAtOnce = 1 << 16;
/** Pages of fewer bytes are moved together as soon as there are so many: each is some objects on the heap. */
const shortBytes = 1 << 12;
const mostShort = 64;

/**
 * Rows as they were told, by place and by key. Nothing is decoded before somebody reads it, and nothing of it lies on the heap,
 * where a row would be a dozen objects for the garbage collector to copy and to walk. What a row was before it was told anew
 * stays where it lies until half of the bytes around it are of that kind; the others are moved together then.
 *
 * The index is linear hashing (W. Litwin, 1980): it grows by a bucket with each row, and never all at once.
 */
export class RowTable {
  readonly #dimensions: number;
  readonly #columns: readonly StateColumn[];
  readonly #pages: (Page | undefined)[] = [];
  readonly #freePages: number[] = [];
  /** Less than half of them is live. */
  readonly #sparse = new Set<number>();
  readonly #short = new Set<number>();
  readonly #panes = new Map<number, PaneRows>();
  #size = 0;
  /** By place: the number of its page plus 1, and where in that the row begins. */
  readonly #pageOf = new Int32List();
  readonly #rowOf = new Int32List();
  readonly #hashOf = new Int32List();
  /** By place, places plus 1. */
  readonly #nextInBucket = new Int32List();
  readonly #nextInPane = new Int32List();
  /** By bucket, the same. */
  readonly #buckets = new Int32List();
  #bucketCount = 1;
  /** The least number of ones in binary that is not less than any bucket. */
  #mask = 0;

  constructor({ dimensions, columns }: Pick<View, "dimensions" | "columns">) {
    this.#dimensions = dimensions.length;
    this.#columns = columns;
  }

  get size(): number {
    return this.#size;
  }

  /** What rows take, with what they were before and is not given back yet: bytes, and pieces of memory. */
  get memory(): { readonly bytes: number; readonly pieces: number } {
    const pages = this.#pages.filter((page) => page !== undefined);
    return { bytes: pages.reduce((sum, { bytes }) => sum + bytes.length, 0), pieces: pages.length };
  }

  /** In the order in which they came. */
  get panes(): ReadonlyMap<number, PaneRows> {
    return this.#panes;
  }

  /** Takes rows in, as a `RowWriter` gives them, and keeps the memory. `note` is told every place. */
  take(taken: Uint8Array<ArrayBuffer>, note?: (place: number) => void): void {
    const { page, bytes, data } = this.#addPage(taken);
    for (let row = 0; row < bytes.length; row += data.getUint32(row, true)) {
      const place = data.getUint32(row + rowLayout.place, true);
      const former = this.#pageOf.at(place);
      if (former === 0) this.#index(place, bytes, data, row);
      else this.#leave(former - 1, this.#rowOf.at(place));
      this.#put(place, page, row);
      note?.(place);
    }
  }

  /** Moves some of the rows together that lie among what is not live any more, or a few to a piece; false if there are none. */
  settle(): boolean {
    const pages: number[] = [];
    let length = 0;
    const scattered =
      this.#short.size < mostShort ? this.#sparse : new Set([...this.#sparse, ...this.#short]);
    for (const page of scattered) {
      if (length >= movedAtOnce) break;
      pages.push(page);
      length += (this.#pages[page] as Page).live;
    }
    if (pages.length === 0) return false;
    const moved = this.#addPage(new Uint8Array(length));
    let to = 0;
    for (const page of pages) {
      const { bytes, data } = this.#pages[page] as Page;
      for (let row = 0, next = 0; row < bytes.length; row = next) {
        next = row + data.getUint32(row, true);
        const place = data.getUint32(row + rowLayout.place, true);
        if (this.#pageOf.at(place) !== page + 1 || this.#rowOf.at(place) !== row) continue;
        bytes.copy(moved.bytes, to, row, next);
        this.#put(place, moved.page, to);
        to += next - row;
      }
      this.#drop(page);
    }
    return true;
  }

  /** The place of the row; undefined if there is none. */
  find(pane: number, { hashed }: GroupKey): number | undefined {
    const hash = hashWith(hashed.hash, pane);
    let next = this.#buckets.at(this.#bucketOf(hash));
    while (next !== 0) {
      const place = next - 1;
      if (this.#hashOf.at(place) === hash && this.#isOf(place, pane, hashed.bytes)) return place;
      next = this.#nextInBucket.at(place);
    }
    return undefined;
  }

  /** The places of the pane's rows. */
  *placesIn(pane: number): Generator<number, void, undefined> {
    const rows = this.#panes.get(pane);
    if (rows === undefined) return;
    for (let next = rows.first + 1; next !== 0; next = this.#nextInPane.at(next - 1)) yield next - 1;
  }

  paneAt(place: number): number {
    return this.#memoryOf(place).data.getFloat64(this.#rowOf.at(place) + rowLayout.key, true);
  }

  dimensionsAt(place: number): readonly Scalar[] {
    return dimensionsOf(this.#memoryOf(place), this.#rowOf.at(place), this.#dimensions);
  }

  /** They are the caller's own. */
  cellsAt(place: number): Cell[] {
    return cellsOf(this.#memoryOf(place), this.#rowOf.at(place), this.#columns);
  }

  #memoryOf(place: number): RowMemory {
    return this.#pages[this.#pageOf.at(place) - 1] as Page;
  }

  #isOf(place: number, pane: number, dimensions: Uint8Array): boolean {
    const { bytes, data } = this.#memoryOf(place);
    const row = this.#rowOf.at(place);
    if (data.getFloat64(row + rowLayout.key, true) !== pane) return false;
    const start = row + rowLayout.dimensions;
    if (row + data.getUint32(row + rowLayout.cells, true) - start !== dimensions.length) return false;
    for (let i = 0; i < dimensions.length; i++) if (bytes[start + i] !== dimensions[i]) return false;
    return true;
  }

  #addPage(memory: Uint8Array<ArrayBuffer>): RowMemory & { readonly page: number } {
    const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.length);
    const data = new DataView(memory.buffer, memory.byteOffset, memory.length);
    const page = this.#freePages.pop() ?? this.#pages.length;
    this.#pages[page] = { bytes, data, live: memory.length };
    if (memory.length < shortBytes) this.#short.add(page);
    return { page, bytes, data };
  }

  #put(place: number, page: number, row: number): void {
    this.#pageOf.set(place, page + 1);
    this.#rowOf.set(place, row);
  }

  /** The row is told anew. */
  #leave(number: number, row: number): void {
    const page = this.#pages[number] as Page;
    page.live -= page.data.getUint32(row, true);
    if (page.live === 0) this.#drop(number);
    else if (page.live < page.bytes.length / 2) this.#sparse.add(number);
  }

  #drop(page: number): void {
    this.#pages[page] = undefined;
    this.#freePages.push(page);
    this.#sparse.delete(page);
    this.#short.delete(page);
  }

  #index(place: number, bytes: Buffer, data: DataView, row: number): void {
    this.#size++;
    const pane = data.getFloat64(row + rowLayout.key, true);
    const cells = row + data.getUint32(row + rowLayout.cells, true);
    const hash = hashWith(hashOfBytes(bytes, row + rowLayout.dimensions, cells), pane);
    this.#hashOf.set(place, hash);
    this.#link(place, this.#bucketOf(hash));
    if (this.#size > this.#bucketCount) this.#split();
    const rows = this.#panes.get(pane);
    if (rows === undefined) {
      this.#panes.set(pane, { first: place, last: place });
      return;
    }
    this.#nextInPane.set(rows.last, place + 1);
    rows.last = place;
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#bucketCount ? bucket : bucket & (this.#mask >> 1);
  }

  #link(place: number, bucket: number): void {
    this.#nextInBucket.set(place, this.#buckets.at(bucket));
    this.#buckets.set(bucket, place + 1);
  }

  /** What falls into the new bucket was in one of those before. */
  #split(): void {
    const fresh = this.#bucketCount++;
    if (fresh > this.#mask) this.#mask = 2 * this.#mask + 1;
    const former = fresh & (this.#mask >> 1);
    let next = this.#buckets.at(former);
    this.#buckets.set(former, 0);
    this.#buckets.set(fresh, 0);
    while (next !== 0) {
      const place = next - 1;
      next = this.#nextInBucket.at(place);
      this.#link(place, this.#bucketOf(this.#hashOf.at(place)));
    }
  }
}
