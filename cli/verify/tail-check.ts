import type { Manifest } from "../../infra/generations/generations.ts";
import type { TailSegment } from "../../infra/tail/segment.ts";
import type { Past } from "../../speed-layer/admission.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { foldFromLog } from "../../speed-layer/prefix.ts";
import type { Cut } from "../../views/cut.ts";
import { isRecomputed } from "../../views/layers.ts";
import { offsetIn } from "../../views/mapping.ts";
import { joinSorted } from "../../views/sorted-rows.ts";
import type { View } from "../../views/view.ts";
import type { Check } from "./check.ts";
import { isSameState, words } from "./generation-check.ts";

/** The tail's segments abut, end within the log, and hold the very states of their records. */
export async function checkTail(
  check: Check,
  view: View,
  segments: readonly TailSegment[],
  current: Manifest | undefined,
  past: Past,
  end: Cut,
): Promise<void> {
  const folds = new Map(view.mappings.map((mapping) => [mapping, compileFold(view, mapping)]));
  const { log } = past;
  let entries = 0;
  let unchecked = 0;
  for (const [partition, place] of view.partitions.entries()) {
    const fold = folds.get(place.mapping) ?? compileFold(view, place.mapping);
    const where = `${place.topic}/${place.partition}`;
    const chain = segments
      .filter((s) => s.view === view && s.partition === partition)
      .sort((a, b) => a.from - b.from);
    let reached = chain[0]?.from;
    for (const segment of chain) {
      const { from, next } = segment;
      if (from !== reached)
        check.problem(`${where}: a segment ends at ${reached}, the one after it begins at ${from}`);
      reached = next;
      if (next > offsetIn(end, view, partition)) {
        check.problem(`${where}: a segment reaches ${next}, beyond the log's end`);
        continue;
      }
      const start = (await log.starts(place.topic))[place.partition] ?? 0;
      if (from < start && past.archivedEvents === undefined) {
        unchecked++;
        continue;
      }
      const right = await foldFromLog(past, {
        ...{ view, fold, partition, from, next },
        maxEntries: Number.POSITIVE_INFINITY,
        signal: new AbortController().signal,
      });
      for (const [expected, stored] of joinSorted([right.sortedRows(), segment.sortedRows()])) {
        if (isSameState(view, expected, stored)) continue;
        check.problem(
          `${where} [${from}, ${next}): has ${words(stored)} where the records give ${words(expected)}`,
        );
      }
      entries += segment.size;
    }
    const cut =
      current === undefined && isRecomputed(view) ? undefined : offsetIn(current?.cut ?? {}, view, partition);
    if (cut !== undefined && chain[0] !== undefined && chain[0].from > cut) {
      // No harm: the piece is folded from the log when the platform starts.
      check.covered = isRecomputed(view)
        ? `begins after the generation's cut in ${where}; `
        : `begins after the first record in ${where}; `;
    }
  }
  check.covered += `${segments.filter((s) => s.view === view).length} segments, ${entries.toLocaleString("en")} entries`;
  if (unchecked > 0)
    check.covered += `; ${unchecked} not held against the log, which has let go of their records`;
}
