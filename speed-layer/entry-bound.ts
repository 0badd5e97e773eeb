export interface EntryBoundOptions {
  /** How many entries the tail may hold. */
  readonly entries: number;
  /** Called each time the tail comes to hold `nearFraction` of them. */
  readonly onNear: () => void;
}

const nearFraction = 0.8;

/** Bounds the memory of the tail: says when it nears the bound, and holds folding up while it is full. */
export class EntryBound {
  readonly #options: EntryBoundOptions;
  #isNear = false;
  readonly #waiting: (() => void)[] = [];
  #isFull = false;
  #isOpen = true;

  constructor(options: EntryBoundOptions) {
    this.#options = options;
  }

  /** How many entries the tail holds now. */
  note(entries: number): void {
    const isNear = entries >= nearFraction * this.#options.entries;
    const hasCrossed = isNear && !this.#isNear;
    this.#isNear = isNear;
    this.#isFull = entries >= this.#options.entries && this.#isOpen;
    if (!this.#isFull) this.#letGo();
    if (hasCrossed) this.#options.onNear();
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Resolves once there may be room, or the bound is disposed of. */
  room(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #letGo(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  [Symbol.dispose](): void {
    this.#isOpen = false;
    this.#isFull = false;
    this.#letGo();
  }
}
