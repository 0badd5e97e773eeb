import type { Offset } from "../../views/cut.ts";

/**
 * What one thread tells another of the tail that it folds: all that has changed since the telling before. The other one,
 * told everything from the first on, holds the same (`MirroredTail`). Views count as in the app, of those that are
 * folded; chains by the view's partitions.
 */
export interface Telling {
  /** Of new segments all, of others those that changed, as they are at the segment's `next`. */
  readonly rows: readonly SegmentRows[];
  /** Of which anything has changed. */
  readonly views: readonly ToldView[];
}

export interface ToldView {
  readonly view: number;
  /** Of which anything has changed. */
  readonly chains: readonly ToldChain[];
}

export interface ToldChain {
  readonly partition: number;
  /** All that it has; the open one is the last. */
  readonly segments: readonly ToldSegment[];
}

export interface ToldSegment {
  /** One segment's alone as long as the telling thread lives. */
  readonly id: number;
  readonly from: Offset;
  readonly next: Offset;
  readonly isSealed: boolean;
}

/** Rows of one segment, few enough to be taken in at once. */
export interface SegmentRows {
  readonly id: number;
  /** As a `RowWriter` gives them: memory that is moved to the other thread. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}
