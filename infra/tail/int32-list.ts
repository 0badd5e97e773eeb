/** Whole numbers of 32 bits in one piece of memory, which the garbage collector does not walk. */
export class Int32List {
  #numbers = new Int32Array(16);

  /** 0 where none was set. */
  at(i: number): number {
    return i < this.#numbers.length ? (this.#numbers[i] as number) : 0;
  }

  set(i: number, number: number): void {
    if (i >= this.#numbers.length) {
      const larger = new Int32Array(Math.max(i + 1, 2 * this.#numbers.length));
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[i] = number;
  }
}
