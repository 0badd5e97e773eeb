/**
 * Numbers that look random and are the same for the same seed, on every machine: mulberry32 (Tommy Ettinger, 2017), with 32 bits
 * of state.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In `[0, 1)`. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = this.#state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in `[0, count)`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(first: T, ...others: readonly T[]): T {
    const at = this.below(others.length + 1);
    return others[at - 1] ?? first;
  }

  /** How long until the next of things that come independently of each other, a whole number. */
  wait(mean: number): number {
    return Math.floor(-Math.log(1 - this.next()) * mean);
  }

  /** How many of such things come in a time that has `mean` of them; for small means. */
  arrivals(mean: number): number {
    const least = Math.exp(-mean);
    let product = this.next();
    let count = 0;
    while (product > least) {
      product *= this.next();
      count++;
    }
    return count;
  }
}
