import { TailSegment } from "../infra/tail/segment.ts";
import { type Offset, offset } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { isRecomputed } from "../views/layers.ts";
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
 * A sealed segment of records `[from, next)`, folded from the log as the consumer would have; what that has let go of, from
 * `past.archivedEvents`. Throws TIDEMARK_STORE_OUT_OF_RANGE if there are none, TIDEMARK_STORE_GAP if they do not reach the log,
 * TIDEMARK_TAIL_FULL if there is no room for the segment's entries.
 */
export async function foldFromLog(past: Past, prefix: Prefix): Promise<TailSegment> {
  const { view, fold, partition, from, next, maxEntries, signal } = prefix;
  const place = viewPartition(view, partition);
  const admission = new Admission(place.mapping.event, place.partition);
  await admission.warmUp(past, from, signal);
  const segment = new TailSegment(view, partition, from);
  const requireRoom = () => {
    signal.throwIfAborted();
    if (segment.size > maxEntries) throw full(prefix);
  };
  const fromLog = await firstInLog(past, prefix);
  if (past.archivedEvents !== undefined && from < fromLog) {
    for await (const batch of past.archivedEvents(place.mapping.event, place.partition, from, fromLog)) {
      fold(segment, admission.admitArchived(batch.events, batch.next), 0, batch.events);
      requireRoom();
    }
  }
  for await (const batch of past.log.read(place.topic, place.partition, fromLog, next)) {
    fold(segment, admission.admit(batch.records, batch.next), 0, batch.records);
    requireRoom();
  }
  segment.advance(next);
  segment.seal();
  return segment;
}

/** What lies before it comes from files. */
async function firstInLog({ log, archivedEvents }: Past, { view, partition, from, next }: Prefix) {
  if (archivedEvents === undefined) return from;
  const place = viewPartition(view, partition);
  const start = (await log.starts(place.topic))[place.partition] ?? 0;
  return offset(Math.max(from, Math.min(start, next)));
}

function full({ view, partition, from, next, maxEntries }: Prefix): TidemarkError {
  const place = viewPartition(view, partition);
  const way = isRecomputed(view)
    ? "publish a generation nearer to the present"
    : `it must hold all of them, since the view is declared with layers: "speed"; with generations it would not`;
  return new TidemarkError(
    "TIDEMARK_TAIL_FULL",
    `view "${view.name}": records [${from}, ${next}) of ${place.topic}/${place.partition} make more than ${maxEntries} entries, all that the tail has room for; ${way}`,
  );
}
