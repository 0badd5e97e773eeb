import { TailSegment } from "../infra/tail/segment.ts";
import type { Offset } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { viewPartition } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import { Admission, type Past } from "./admission.ts";
import type { Fold } from "./fold.ts";

export interface Prefix {
  readonly view: View;
  /** Of the partition's mapping. */
  readonly fold: Fold;
  /** Of the view. */
  readonly partition: number;
  readonly from: Offset;
  readonly next: Offset;
  /** How many entries it may have. */
  readonly maxEntries: number;
  readonly signal: AbortSignal;
}

/**
 * A sealed segment of records `[from, next)`, folded from the log as the consumer would have. Throws
 * TIDEMARK_STORE_OUT_OF_RANGE if the log no longer holds them, TIDEMARK_TAIL_FULL if there is no room for its entries.
 */
export async function foldFromLog(past: Past, prefix: Prefix): Promise<TailSegment> {
  const { view, fold, partition, from, next, maxEntries, signal } = prefix;
  const place = viewPartition(view, partition);
  const admission = new Admission(place.mapping.event, place.partition);
  await admission.warmUp(past, from, signal);
  const segment = new TailSegment(view, partition, from);
  for await (const batch of past.log.read(place.topic, place.partition, from, next)) {
    signal.throwIfAborted();
    fold(segment, admission.admit(batch.records, batch.next), 0, batch.records);
    if (segment.size > maxEntries) {
      throw new TidemarkError(
        "TIDEMARK_TAIL_FULL",
        `view "${view.name}": records [${from}, ${next}) of ${place.topic}/${place.partition} make more than ${maxEntries} entries, all that the tail has room for; publish a generation nearer to the present`,
      );
    }
  }
  segment.advance(next);
  segment.seal();
  return segment;
}
