import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Segment } from "../infra/tail/tail.ts";
import type { Cell, StateRow } from "../views/state.ts";
import { copyState, mergeState, type View, zeroState } from "../views/view.ts";
import type { SeriesRow } from "./fill.ts";
import { FirstRows, type OrderKey } from "./order.ts";
import { type Group, onlyGroup, type Plan } from "./plan.ts";
import { forEachEntry, type Rollup, type Sink } from "./rollup.ts";

/** One row of `rows`: a group and its merged state. */
export interface RowGroup extends Group {
  readonly cells: Cell[];
}

export function rowRollup(view: View): Rollup<RowGroup> {
  return {
    start: ({ cells }, bucket, dimensions) => ({ dimensions, pane: bucket, cells: copyState(view, cells) }),
    add: (group, { cells }) => mergeState(view, group.cells, cells),
    combine: (group, { cells }) => mergeState(view, group.cells, cells),
  };
}

/** One page of an answer. */
export interface Page<G> {
  readonly rows: readonly G[];
  /** Null: there are no more. */
  readonly cursor: string | null;
}

/** Takes groups as they come and keeps the page's. */
export class PageSink<G extends Group> implements Sink<G> {
  readonly #plan: Plan;
  readonly #keyOf: (group: G) => OrderKey;
  readonly #first: FirstRows<G>;
  #groups = 0;

  /** `keyOf` gives what a group is ordered by. */
  constructor(plan: Plan, keyOf: (group: G) => OrderKey) {
    this.#plan = plan;
    this.#keyOf = keyOf;
    this.#first = new FirstRows(plan.query.limit + 1, plan.compare, plan.after);
  }

  get isFull(): boolean {
    return this.#first.isFull;
  }

  /** How many were offered. */
  get groups(): number {
    return this.#groups;
  }

  offer(group: G): void {
    this.#groups++;
    this.#first.offer(this.#keyOf(group), group);
  }

  page(): Page<G> {
    const { limit } = this.#plan.query;
    const rows = this.#first.sorted();
    const page = rows.slice(0, limit).map(({ row }) => row);
    return {
      rows: page,
      cursor: cursorOf(this.#plan, rows.length > limit ? rows[limit - 1]?.key : undefined),
    };
  }
}

/** `lastKey`: of the page's last row, if there are more. */
function cursorOf(plan: Plan, lastKey: OrderKey | undefined): string | null {
  return lastKey === undefined ? null : plan.cursorAt(lastKey);
}

/** Adds up all that goes by to the sink behind it: rows before and after the page too. */
export class TotalsSink implements Sink<SeriesRow> {
  readonly isFull = false;
  readonly #view: View;
  readonly #sink: Sink<SeriesRow>;
  readonly cells: Cell[];

  constructor(view: View, sink: Sink<SeriesRow>) {
    this.#view = view;
    this.#sink = sink;
    this.cells = zeroState(view);
  }

  offer(group: SeriesRow): void {
    mergeState(this.#view, this.cells, group.cells);
    this.#sink.offer(group);
  }
}

/** `groupBy=` asks for the total of what there is, which is a row even of nothing. */
export function isTotal({ groupBy, buckets }: Plan["query"]): boolean {
  return groupBy.length === 0 && buckets === undefined;
}

export function totalOfNothing(view: View): RowGroup {
  return { dimensions: view.dimensions.map(() => null), pane: 0, cells: zeroState(view) };
}

/** A range of time, of whole panes; undefined is open. */
type Range = Pick<Plan["query"], "from" | "to">;

/** How many panes for each row of the page are read before all others: some may have no row. */
const panesPerRow = 4;

/**
 * The groups of a point query that are enough for its page, in order of time: where time is what the answer is ordered by, the
 * rest of a long range is read only if its beginning has too few.
 */
export function readPointPage(
  plan: Plan,
  rollup: Rollup<RowGroup>,
  reader: Pick<GenerationReader, "group"> | undefined,
  segments: readonly Segment[],
): readonly StateRow[] {
  const { from, to, limit, buckets, view } = plan.query;
  const widthMs = buckets !== undefined && buckets === view.window?.window ? buckets.widthMs : undefined;
  if (from === undefined || widthMs === undefined || !plan.isTimeOrdered || plan.after !== undefined) {
    return readPoint(plan, rollup, reader, segments);
  }
  const middle = from + panesPerRow * (limit + 1) * widthMs;
  if (middle >= (to ?? Number.POSITIVE_INFINITY)) return readPoint(plan, rollup, reader, segments);
  const first = readPoint(plan, rollup, reader, segments, { from, to: middle });
  if (first.length > limit) return first;
  return [...first, ...readPoint(plan, rollup, reader, segments, { from: middle, to })];
}

/** The groups of a point query in order of time. Synchronous; rows may be the store's own: not to be written to. */
export function readPoint(
  plan: Plan,
  rollup: Rollup<RowGroup>,
  reader: Pick<GenerationReader, "group"> | undefined,
  segments: readonly Segment[],
  range: Range = plan.query,
): readonly StateRow[] {
  const only = onlyGroup(plan);
  if (only === undefined) throw new Error("not a point query");
  const { buckets, view } = plan.query;
  const rows = reader?.group(only.dimensions, range.from, range.to) ?? [];
  const entries: StateRow[] = [];
  forEachEntry(plan, segments, (entry) => void entries.push(entry), range);
  if (entries.length === 0 && buckets !== undefined && buckets === view.window?.window) return rows;
  const groups = new Map<number, RowGroup>();
  let latest = Number.NEGATIVE_INFINITY;
  let isSorted = true;
  for (const row of [...rows, ...entries]) {
    const bucket = plan.bucketOf(row.pane);
    const group = groups.get(bucket);
    if (group !== undefined) {
      rollup.add(group, row);
      continue;
    }
    isSorted &&= bucket > latest;
    latest = bucket;
    groups.set(bucket, rollup.start(row, bucket, row.dimensions));
  }
  return isSorted ? [...groups.values()] : [...groups.values()].sort((a, b) => a.pane - b.pane);
}

/** A page of groups that come in the answer's own order. */
export function pageInOrder(plan: Plan, groups: readonly StateRow[]): Page<StateRow> {
  const { limit } = plan.query;
  const { after } = plan;
  let at = 0;
  if (after !== undefined) {
    while (at < groups.length) {
      const group = groups[at];
      if (group === undefined || plan.compare(plan.orderKeyOf(group, group.cells), after) > 0) break;
      at++;
    }
  }
  const rows = groups.slice(at, at + limit);
  const last = rows.at(-1);
  const hasMore = at + rows.length < groups.length;
  return {
    rows,
    cursor: cursorOf(plan, hasMore && last !== undefined ? plan.orderKeyOf(last, last.cells) : undefined),
  };
}

export function pageSorted(plan: Plan, groups: readonly StateRow[]): Page<StateRow> {
  const sink = new PageSink<StateRow>(plan, (group) => plan.orderKeyOf(group, group.cells));
  for (const group of groups) sink.offer(group);
  return sink.page();
}
