/** Lets through so many requests a second of each name, and a second's worth at once. */
export class TokenBuckets {
  readonly #now: () => number;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  /** `now`: milliseconds that never run backwards. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** 0 if the request may pass, which is then counted; else the seconds after which the next may. */
  take(name: string, perSecond: number): number {
    const now = this.#now();
    const most = Math.max(1, perSecond);
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      if (this.#buckets.size >= maxBuckets) this.#dropFull(now);
      bucket = { tokens: most, atMs: now };
      this.#buckets.set(name, bucket);
    }
    bucket.tokens = Math.min(most, bucket.tokens + ((now - bucket.atMs) / 1_000) * perSecond);
    bucket.atMs = now;
    if (bucket.tokens < 1) return (1 - bucket.tokens) / perSecond;
    bucket.tokens--;
    return 0;
  }

  /** Who has not asked for a while begins anew without a difference. */
  #dropFull(now: number): void {
    for (const [name, { atMs }] of this.#buckets) {
      if (now - atMs > quietMs) this.#buckets.delete(name);
    }
    if (this.#buckets.size >= maxBuckets) this.#buckets.clear();
  }
}

const maxBuckets = 10_000;
const quietMs = 60_000;
