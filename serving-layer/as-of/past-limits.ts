/** What answers as of the past may take. */
export interface PastLimits {
  /** How many records are folded for one at most. */
  readonly records: number;
  /** How many entries these may make; and how many those that are kept may have together. */
  readonly entries: number;
  /** How many pasts are kept for the next question. */
  readonly kept: number;
  /** For how long one is kept that nobody asks for: its generation may be pruned, and take up disk until it is closed. */
  readonly idleMs: number;
  /** How many folds may wait for those before them: one is made at a time. */
  readonly waiting: number;
}

export const defaultPastLimits: PastLimits = {
  records: 200_000,
  entries: 250_000,
  kept: 16,
  idleMs: 10 * 60_000,
  waiting: 8,
};
