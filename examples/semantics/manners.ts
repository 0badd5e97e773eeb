/**
 * What a consumer does that may die at any moment. At most once: it commits its position, then works. At least once: it
 * works, then commits. Exactly once: it keeps the position with what it has worked out, in one write, and begins there.
 */
export type Manner = "at-most-once" | "at-least-once" | "exactly-once";

export const manners: readonly Manner[] = ["at-most-once", "at-least-once", "exactly-once"];

/** What the consumer has stored. */
export interface Counted {
  readonly counts: Record<string, number>;
  /** The offset after the last record in `counts`. */
  readonly next: number;
}

/** Records from one commit to the next, and from one write of the counts to the next. */
export const commitEvery = 1_000;
export const storeEvery = 100;
/** What the work on that takes besides. */
export const workMs = 5;
