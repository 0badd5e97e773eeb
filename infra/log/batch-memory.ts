/**
 * Memory for the batches of one commit, used again by the next. What is allocated anew for each batch counts as much as what
 * lives on in the heap when V8 decides to collect all of that: under full ingest it did so six times a second.
 */
export class BatchMemory {
  readonly #size: number;
  #memory: Buffer | undefined;
  #used = 0;

  /** `size`: bytes that are kept; a commit that needs more gets it from elsewhere. */
  constructor(size: number) {
    this.#size = size;
  }

  /** So many bytes, with anything in them. */
  readonly allocate = (bytes: number): Buffer => {
    if (this.#used + bytes > this.#size) return Buffer.allocUnsafeSlow(bytes);
    this.#memory ??= Buffer.allocUnsafeSlow(this.#size);
    const from = this.#used;
    this.#used += bytes;
    return this.#memory.subarray(from, this.#used);
  };

  /** Nobody looks any more at what was given. */
  reclaim(): void {
    this.#used = 0;
  }

  /** Somebody may still look at what was given. */
  abandon(): void {
    this.#memory = undefined;
    this.#used = 0;
  }
}
