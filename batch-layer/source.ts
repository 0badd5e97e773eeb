import type { StraddlingFile } from "../infra/master/evolved-files.ts";
import type { MasterFile } from "../infra/master/master.ts";
import { type Cut, offsetAt } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { EventType } from "../views/event.ts";

/** The master files of one topic that hold `[from, cut)`, told apart by whether they hold more than that. */
export interface Source {
  readonly event: EventType;
  /** Files that lie wholly in the range: read as they are. */
  readonly covered: readonly string[];
  /** Files that reach past the cut, or begin before `from`, at most two per partition: of these only the offsets in the range. */
  readonly straddling: readonly StraddlingFile[];
  /** How many records there are in the range, duplicates included. */
  readonly records: number;
  /** Files of values that stand in records from before their field was declared; see `infra/master/early-values.ts`. */
  readonly early?: readonly string[];
}

/** Throws TIDEMARK_STORE_GAP if the files end before the cut: a generation is of all the records or it is not made. */
export function sourceOf(event: EventType, files: readonly MasterFile[], cut: Cut, since: Cut = {}): Source {
  const covered: string[] = [];
  const straddling: StraddlingFile[] = [];
  let records = 0;
  const reached = new Map<number, number>();
  for (const { partition, from, next, path } of files) {
    const begin = offsetAt(since, event.name, partition);
    const end = offsetAt(cut, event.name, partition);
    reached.set(partition, Math.max(reached.get(partition) ?? 0, next));
    if (next <= begin || from >= end) continue;
    records += Math.max(0, Math.min(next, end) - Math.max(from, begin));
    if (from < begin) straddling.push({ path, from: begin, next: next < end ? next : end });
    else if (next > end) straddling.push({ path, next: end });
    else covered.push(path);
  }
  (cut[event.name] ?? []).forEach((next, partition) => {
    const there = reached.get(partition) ?? 0;
    if (there < next) {
      throw new TidemarkError(
        "TIDEMARK_STORE_GAP",
        `the master dataset holds ${event.name}/${partition} up to ${there}; a generation at ${next} needs it up to there`,
      );
    }
  });
  return { event, covered, straddling, records };
}
