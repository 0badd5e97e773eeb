import type { Offset } from "./cut.ts";

/**
 * Offsets by (source, id), which are only ever added, or forgotten all at once. A hash table with chains, of which everything
 * lies in a few pieces of memory: a map of so many texts costs each of them a place on the heap, and the garbage collector
 * a walk through them.
 */
export class IdTable {
  #size = 0;
  /** By the last bits of the hash, the place of the entry that was added last, plus 1. */
  #heads = new Int32Array(64);
  /** By place: the same of the entry of that bucket that was added before; hash; source; offset. */
  #links = new Int32Array(64);
  #hashes = new Int32Array(64);
  #sources = new Int32Array(64);
  #offsets = new Float64Array(64);
  /** Where the units of an entry's id begin; they end where the next one's do. */
  #starts = new Float64Array(65);
  #units = new Uint16Array(1024);
  readonly #sourceNumbers = new Map<string, number>();

  get size(): number {
    return this.#size;
  }

  /** By which the source is called until all is forgotten. */
  sourceNumber(source: string): number {
    let number = this.#sourceNumbers.get(source);
    if (number === undefined) {
      number = this.#sourceNumbers.size;
      this.#sourceNumbers.set(source, number);
    }
    return number;
  }

  /** The offset that was added last for it. `hash`: of the id. */
  get(source: number, id: string, hash: number): Offset | undefined {
    let entry = this.#heads[hash & (this.#heads.length - 1)] as number;
    while (entry !== 0) {
      const place = entry - 1;
      if (this.#hashes[place] === hash && this.#sources[place] === source && this.#isAt(place, id)) {
        return this.#offsets[place] as Offset;
      }
      entry = this.#links[place] as number;
    }
    return undefined;
  }

  add(source: number, id: string, hash: number, at: Offset): void {
    if (this.#size === this.#links.length) this.#grow();
    const place = this.#size++;
    const start = this.#starts[place] as number;
    const next = start + id.length;
    if (next > this.#units.length) this.#units = copied(this.#units, Math.max(next, this.#units.length * 2));
    for (let i = 0; i < id.length; i++) this.#units[start + i] = id.charCodeAt(i);
    this.#starts[place + 1] = next;
    this.#hashes[place] = hash;
    this.#sources[place] = source;
    this.#offsets[place] = at;
    this.#link(place, hash);
  }

  clear(): void {
    this.#size = 0;
    this.#heads.fill(0);
    this.#sourceNumbers.clear();
  }

  #isAt(place: number, id: string): boolean {
    const start = this.#starts[place] as number;
    if ((this.#starts[place + 1] as number) - start !== id.length) return false;
    for (let i = 0; i < id.length; i++) {
      if (this.#units[start + i] !== id.charCodeAt(i)) return false;
    }
    return true;
  }

  #link(place: number, hash: number): void {
    const bucket = hash & (this.#heads.length - 1);
    this.#links[place] = this.#heads[bucket] as number;
    this.#heads[bucket] = place + 1;
  }

  #grow(): void {
    const room = this.#links.length * 2;
    this.#hashes = copied(this.#hashes, room);
    this.#sources = copied(this.#sources, room);
    this.#offsets = copied(this.#offsets, room);
    this.#starts = copied(this.#starts, room + 1);
    this.#links = new Int32Array(room);
    this.#heads = new Int32Array(room);
    for (let place = 0; place < this.#size; place++) this.#link(place, this.#hashes[place] as number);
  }
}

function copied<A extends Int32Array | Uint16Array | Float64Array>(array: A, length: number): A {
  const larger = new (array.constructor as new (length: number) => A)(length);
  larger.set(array as never);
  return larger;
}
