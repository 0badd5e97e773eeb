import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Entry, Segment } from "../infra/tail/tail.ts";
import type { Scalar } from "../views/expression.ts";
import type { StateRow } from "../views/state.ts";
import type { Turns } from "./clock.ts";
import { maxGroups, tooManyGroups } from "./group-bound.ts";
import { compareValues } from "./order.ts";
import { type Group, isStoredWhole, type Plan } from "./plan.ts";

/** How states become groups `G` of an answer. */
export interface Rollup<G extends Group> {
  /** A new group of one row. The row's cells may change later or belong to others: copy them. `dimensions` are widened. */
  start(row: StateRow, bucket: number, dimensions: readonly Scalar[]): G;
  add(group: G, row: StateRow): void;
  /** Adds what was collected from the tail under the same key. */
  combine(group: G, ahead: G): void;
}

export type Groups<G extends Group> = Map<string, G>;

/** The tail's part, of one moment: does not give up the thread. */
export function collectTail<G extends Group>(
  plan: Plan,
  segments: readonly Segment[],
  rollup: Rollup<G>,
): Groups<G> {
  const groups: Groups<G> = new Map();
  forEachEntry(plan, segments, (entry) => gather(plan, groups, entry, rollup));
  return groups;
}

/** Every entry of the tail that the query asks for, in the panes of its range or of another. */
export function forEachEntry(
  plan: Plan,
  segments: readonly Segment[],
  take: (entry: Entry) => void,
  range: Pick<Plan["query"], "from" | "to"> = plan.query,
): void {
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = range;
  const widthMs = plan.query.view.window?.window.widthMs;
  for (const segment of segments) {
    const { panes } = segment;
    if (widthMs !== undefined && (to - from) / widthMs <= panes.size) {
      for (let pane = from; pane < to; pane += widthMs) {
        if (panes.has(pane)) forEachIn(segment, pane, plan, take);
      }
    } else {
      for (const pane of panes.keys()) if (pane >= from && pane < to) forEachIn(segment, pane, plan, take);
    }
  }
}

function forEachIn(
  segment: Segment,
  pane: number,
  { groupKeys, matches, widen }: Plan,
  take: (entry: Entry) => void,
): void {
  if (groupKeys === undefined) {
    for (const entry of segment.entriesIn(pane)) if (matches(widen(entry.dimensions))) take(entry);
    return;
  }
  for (const key of groupKeys) {
    const entry = segment.find(pane, key);
    if (entry !== undefined && matches(widen(entry.dimensions))) take(entry);
  }
}

export function gather<G extends Group>(
  plan: Plan,
  groups: Groups<G>,
  row: StateRow,
  rollup: Rollup<G>,
): void {
  const bucket = plan.bucketOf(row.pane);
  const dimensions = plan.widen(row.dimensions);
  const key = plan.keyOf(dimensions, bucket);
  const group = groups.get(key);
  if (group !== undefined) rollup.add(group, row);
  else if (groups.size >= maxGroups) throw tooManyGroups(plan.query.view.name);
  else groups.set(key, rollup.start(row, bucket, dimensions));
}

/** Where whole groups go. */
export interface Sink<G extends Group> {
  offer(group: G): void;
  /** It holds a whole page: only smaller rows could change it. */
  readonly isFull: boolean;
}

/**
 * Reads the generation in the index's order and offers each group once it is whole, `ahead` (the tail's part) included.
 * Rows that share the leading dimensions lie together, so only their groups are held; keys that are too long to be
 * stored whole are not in true order among themselves, so groups are held until a key that is. Gives up the thread.
 */
export async function scanGroups<G extends Group>(
  plan: Plan,
  reader: Pick<GenerationReader, "scan"> | undefined,
  ahead: Groups<G>,
  rollup: Rollup<G>,
  sink: Sink<G>,
  turns: Turns,
): Promise<void> {
  const { query, leading } = plan;
  const held: Groups<G> = new Map();
  const flush = () => {
    for (const [key, group] of held) {
      const more = ahead.get(key);
      if (more !== undefined) {
        rollup.combine(group, more);
        ahead.delete(key);
      }
      sink.offer(group);
    }
    held.clear();
  };
  let last: StateRow | undefined;
  for (const { prefix, within } of reader === undefined ? [] : plan.ranges) {
    for (const row of reader?.scan(prefix, query.from, query.to, within) ?? []) {
      if (turns.isDue()) await turns.next();
      if (!plan.matches(plan.widen(row.dimensions))) continue;
      if (last !== undefined && !sharesLeading(last, row, leading)) {
        const isWhole = isStoredWhole(last.dimensions, leading);
        if (isWhole || isStoredWhole(row.dimensions, leading)) flush();
        if (isWhole && plan.isIndexOrdered && sink.isFull) {
          offerUpTo(plan, ahead, last, sink);
          return;
        }
      }
      last = row;
      gather(plan, held, row, rollup);
    }
  }
  flush();
  for (const group of ahead.values()) {
    if (turns.isDue()) await turns.next();
    sink.offer(group);
  }
}

function sharesLeading(a: StateRow, b: StateRow, leading: number): boolean {
  if (a.dimensions === b.dimensions) return true;
  for (let i = 0; i < leading; i++) if (a.dimensions[i] !== b.dimensions[i]) return false;
  return true;
}

/** Groups of the tail alone that come before the place where the reading ended. */
function offerUpTo<G extends Group>(plan: Plan, ahead: Groups<G>, last: StateRow, sink: Sink<G>): void {
  for (const group of ahead.values()) {
    if (compareLeading(group.dimensions, last.dimensions, plan.leading) <= 0) sink.offer(group);
  }
}

function compareLeading(a: readonly Scalar[], b: readonly Scalar[], leading: number): number {
  for (let i = 0; i < leading; i++) {
    const difference = compareValues(a[i] ?? null, b[i] ?? null);
    if (difference !== 0) return difference;
  }
  return 0;
}
