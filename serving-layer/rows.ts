import type { GenerationReader } from "../infra/generations/generations.ts";
import type { Segment } from "../infra/tail/tail.ts";
import type { Scalar } from "../views/expression.ts";
import type { Cell, StateRow } from "../views/state.ts";
import { copyState, mergeState, type View, zeroState } from "../views/view.ts";
import { encodeCursor } from "./cursor.ts";
import { FirstRows, type OrderKey } from "./order.ts";
import { type Group, onlyGroup, type Plan } from "./plan.ts";
import { forEachEntry, type Rollup, type Sink } from "./rollup.ts";
import { isShownAsStored } from "./shown-rows.ts";

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

/** One page of an answer as JSON texts. */
export interface Page {
  readonly rows: readonly string[];
  /** Null: there are no more. */
  readonly cursor: string | null;
}

/** Takes groups as they come and keeps the page's. */
export class PageSink<G extends Group> implements Sink<G> {
  readonly #plan: Plan;
  readonly #orderCells: (group: G) => readonly Cell[];
  readonly #first: FirstRows<G>;
  #groups = 0;

  /** `orderCells` gives the state by which a group is ordered. */
  constructor(plan: Plan, orderCells: (group: G) => readonly Cell[]) {
    this.#plan = plan;
    this.#orderCells = orderCells;
    this.#first = new FirstRows(plan.query.limit + 1, plan.compare, plan.after);
  }

  get isFull(): boolean {
    return this.#first.isFull;
  }

  get isEmpty(): boolean {
    return this.#groups === 0;
  }

  offer(group: G): void {
    this.#groups++;
    this.#first.offer(this.#plan.orderKeyOf(group, this.#orderCells(group)), group);
  }

  page(json: (group: G) => string): Page {
    const { limit } = this.#plan.query;
    const rows = this.#first.sorted();
    const page = rows.slice(0, limit).map(({ row }) => json(row));
    return pageOf(this.#plan, page, rows.length > limit ? rows[limit - 1]?.key : undefined);
  }
}

/** `lastKey`: of the page's last row, if there are more. */
function pageOf(plan: Plan, rows: readonly string[], lastKey: OrderKey | undefined): Page {
  return { rows, cursor: lastKey === undefined ? null : encodeCursor(plan.hash, lastKey) };
}

/** `groupBy=` asks for the total of what there is, which is a row even of nothing. */
export function isTotal({ groupBy, buckets }: Plan["query"]): boolean {
  return groupBy.length === 0 && buckets === undefined;
}

export function totalOfNothing(view: View): RowGroup {
  return { dimensions: view.dimensions.map(() => null), pane: 0, cells: zeroState(view) };
}

/** A point read wider than this many panes gives up the thread like a scan. */
const maxPointPanes = 10_000;

/** Whether the query asks for one group of the index, over a range that is read in one go. */
export function isPoint(plan: Plan, reader: GenerationReader | undefined): boolean {
  const { view, stored, attributes, from, to } = plan.query;
  if (!isShownAsStored(stored) || attributes.length > 0 || onlyGroup(plan) === undefined) return false;
  const panes = reader?.manifest.panes;
  if (view.window === undefined || panes === undefined || panes === null) return true;
  const first = Math.max(from ?? panes.first, panes.first);
  const next = Math.min(to ?? Number.POSITIVE_INFINITY, panes.last + view.window.window.widthMs);
  return (next - first) / view.window.window.widthMs <= maxPointPanes;
}

/** The groups of a point query in order of time. Synchronous; rows may be the store's own: not to be written to. */
export function readPoint(
  plan: Plan,
  rollup: Rollup<RowGroup>,
  reader: GenerationReader | undefined,
  segments: readonly Segment[],
): readonly Pick<StateRow, "dimensions" | "pane" | "cells">[] {
  const only = onlyGroup(plan);
  if (only === undefined) throw new Error("not a point query");
  const { buckets, view, from, to } = plan.query;
  const rows = reader?.group(only.dimensions as Scalar[], from, to) ?? [];
  const entries: StateRow[] = [];
  forEachEntry(plan, segments, (entry) => void entries.push(entry));
  if (entries.length === 0 && buckets !== undefined && buckets === view.window?.window) return rows;
  const groups = new Map<number, RowGroup>();
  let latest = Number.NEGATIVE_INFINITY;
  let isSorted = true;
  const add = (row: StateRow) => {
    const bucket = plan.bucketOf(row.pane);
    const group = groups.get(bucket);
    if (group !== undefined) {
      rollup.add(group, row);
      return;
    }
    isSorted &&= bucket > latest;
    latest = bucket;
    groups.set(bucket, rollup.start(row, bucket, row.dimensions));
  };
  for (const row of rows) add(row);
  for (const entry of entries) add(entry);
  return isSorted ? [...groups.values()] : [...groups.values()].sort((a, b) => a.pane - b.pane);
}

/** A page of groups that come in the answer's own order. */
export function pageInOrder(
  plan: Plan,
  groups: readonly StateRow[],
  json: (group: StateRow) => string,
): Page {
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
  const rows: string[] = [];
  const next = Math.min(groups.length, at + limit);
  for (; at < next; at++) {
    const group = groups[at];
    if (group !== undefined) rows.push(json(group));
  }
  const last = groups[next - 1];
  const hasMore = next < groups.length;
  return pageOf(plan, rows, hasMore && last !== undefined ? plan.orderKeyOf(last, last.cells) : undefined);
}
