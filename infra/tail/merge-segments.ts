import { setImmediate } from "node:timers/promises";
import { TailSegment } from "./segment.ts";

/** How many entries are merged in one turn: about a millisecond. */
const entriesPerTurn = 2_000;

/** The merge of two sealed neighbours as a sealed segment of its own. */
export async function mergeSegments(first: TailSegment, second: TailSegment): Promise<TailSegment> {
  const merged = new TailSegment(first.view, first.partition, first.from, second.next);
  let entries = 0;
  for (const segment of [first, second]) {
    for (const entry of segment.entries()) {
      merged.mergeRow(entry);
      if (++entries % entriesPerTurn === 0) await setImmediate();
    }
  }
  merged.seal();
  return merged;
}
