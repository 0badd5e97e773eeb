import type { ArchivedEvents } from "../infra/master/archived-events.ts";
import { TailSegment } from "../infra/tail/segment.ts";
import { type Cut, type Offset, offset } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import { offsetIn, viewPartition } from "../views/mapping.ts";
import type { View } from "../views/view.ts";
import { Admission, noneSkipped, type Past, type Skipped } from "./admission.ts";
import { compileFolds, type Fold } from "./fold.ts";

/** Archived ids are needed of one that begins in the midst, over a log that lets go of what is archived. */
export interface Replay extends Past {
  readonly view: View;
  /** Where it begins in each partition. */
  readonly from: Cut;
  /** Where it ends. */
  readonly next: Cut;
  /** Gives what the log has let go of. */
  readonly archivedEvents: ArchivedEvents;
  /** Which records come from files, not from the log. */
  readonly archived: "let-go" | "all";
  /** How many entries all partitions may have together. */
  readonly maxEntries: number;
  readonly signal: AbortSignal;
  /** Told after each batch. */
  readonly progress: (replayed: Replayed) => void;
}

/** What was folded so far, by where it came from; `bytes` of values in the log, and of columns in files, compressed. */
export interface Replayed {
  readonly log: { offsets: number; bytes: number };
  readonly master: { offsets: number; bytes: number };
  readonly skipped: Skipped;
}

/**
 * A view of `[from, next)` by the fold alone, a sealed segment for each of its partitions: from offset 0 it is what the
 * speed layer would hold if no generation had ever been published. Records come from the log, and from the files of the
 * master dataset where the log has let go of them; duplicates are told by one window, which has seen what stands before
 * `from` and goes over from the one to the other, and not by the master's marks.
 *
 * TIDEMARK_TAIL_FULL if there are more entries than may be, TIDEMARK_STORE_GAP if the files do not reach the log.
 */
export async function replayView(
  replay: Replay,
): Promise<{ readonly segments: readonly TailSegment[]; readonly replayed: Replayed }> {
  const { view, log, archived, signal } = replay;
  const foldOf = compileFolds([view]);
  const segments: TailSegment[] = [];
  const replayed: Replayed = {
    log: { offsets: 0, bytes: 0 },
    master: { offsets: 0, bytes: 0 },
    skipped: noneSkipped(),
  };
  for (const [number, { mapping, topic, partition }] of view.partitions.entries()) {
    const [from, next] = [offsetIn(replay.from, view, number), offsetIn(replay.next, view, number)];
    const segment = new TailSegment(view, number, from);
    segments.push(segment);
    if (from < next) {
      const start = (await log.starts(topic))[partition] ?? from;
      const fromLog = archived === "all" ? next : offset(Math.max(from, Math.min(start, next)));
      const admission = new Admission(mapping.event, partition, replayed.skipped);
      await admission.warmUp(replay, from, signal);
      const part: Part = { segment, admission, fold: foldOf(view, mapping), segments };
      await foldArchived(replay, replayed, part, from, fromLog);
      await foldLog(replay, replayed, part, fromLog, next);
    }
    segment.seal();
  }
  return { segments, replayed };
}

/** A partition in hand. */
interface Part {
  readonly segment: TailSegment;
  readonly admission: Admission;
  readonly fold: Fold;
  /** This one's, and those of the partitions before. */
  readonly segments: readonly TailSegment[];
}

async function foldArchived(
  replay: Replay,
  replayed: Replayed,
  part: Part,
  from: Offset,
  next: Offset,
): Promise<void> {
  const { segment, admission, fold } = part;
  const { mapping, partition } = viewPartition(replay.view, segment.partition);
  if (from === next) return;
  for await (const batch of replay.archivedEvents(mapping.event, partition, from, next)) {
    fold(segment, admission.admitArchived(batch.events, batch.next), 0, batch.events);
    replayed.master.bytes += batch.bytes;
    folded(replay, replayed, part, "master", batch.next);
  }
}

async function foldLog(
  replay: Replay,
  replayed: Replayed,
  part: Part,
  from: Offset,
  next: Offset,
): Promise<void> {
  const { segment, admission, fold } = part;
  const { topic, partition } = viewPartition(replay.view, segment.partition);
  if (from === next) return;
  for await (const batch of replay.log.read(topic, partition, from, next)) {
    fold(segment, admission.admit(batch.records, batch.next), 0, batch.records);
    for (const { value } of batch.records) replayed.log.bytes += value.length;
    replayed.skipped.forgotten += batch.forgotten?.length ?? 0;
    folded(replay, replayed, part, "log", batch.next);
  }
}

/** All records before `next` are folded now. */
function folded(
  { view, maxEntries, signal, progress }: Replay,
  replayed: Replayed,
  { segment, segments }: Part,
  from: "log" | "master",
  next: Offset,
): void {
  signal.throwIfAborted();
  replayed[from].offsets += next - segment.next;
  segment.advance(next);
  const entries = segments.reduce((sum, { size }) => sum + size, 0);
  if (entries > maxEntries) {
    throw new TidemarkError(
      "TIDEMARK_TAIL_FULL",
      `view "${view.name}" makes more than ${maxEntries} entries (a group in a pane of a partition) of these records, all that a fold may hold`,
    );
  }
  progress(replayed);
}
