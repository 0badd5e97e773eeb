import { TidemarkError } from "../views/errors.ts";
import type { Scalar } from "../views/expression.ts";
import type { Cell } from "../views/state.ts";
import { type View, zeroState } from "../views/view.ts";
import { paneAfter, startOf, type Window } from "../views/window.ts";
import { maxGroups, tooManyGroups } from "./group-bound.ts";
import { readChoice } from "./parameter-text.ts";
import { type Group, isOneValue, type Plan } from "./plan.ts";
import type { Sink } from "./rollup.ts";

/** What a bucket without a row shows: 0, null, or what the one before it does. */
export type Fill = "zero" | "null" | "previous";

/** A row of a series; `made` says what it shows where there was none and none before it to repeat. */
export interface SeriesRow extends Group {
  readonly cells: readonly Cell[];
  readonly made?: "zero" | "null";
}

/** Throws TIDEMARK_QUERY_FILL where rows make no series. */
export function readFill(
  view: View,
  buckets: Window | undefined,
  text: string | undefined,
): Fill | undefined {
  if (text === undefined) return undefined;
  const fill = readChoice("fill", text, ["zero", "null", "previous"]);
  if (view.window === undefined) {
    throw fillError(
      `view "${view.name}" has no window, so its rows have no time between which there were gaps`,
    );
  }
  if (buckets === undefined) {
    throw fillError(
      `rows of this query have no time, since "${view.window.name}" is not in groupBy or granularity=all`,
    );
  }
  if (buckets.kind === "session") {
    throw fillError(
      `rows of view "${view.name}" are sessions, and there is none between one and the next: give granularity, such as 1h, for rows of equal length`,
    );
  }
  return fill;
}

/**
 * Takes whole groups, and gives the series that they are of with a row in every bucket of the query's range; where that is
 * open, from the first or to the last bucket that has a row in any series.
 */
export class FilledSeries implements Sink<SeriesRow> {
  readonly isFull = false;
  readonly #plan: Plan;
  readonly #fill: Fill;
  readonly #series = new Map<string, Map<number, SeriesRow>>();
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  #groups = 0;

  /** How many were offered. */
  get groups(): number {
    return this.#groups;
  }

  constructor(plan: Plan, fill: Fill) {
    this.#plan = plan;
    this.#fill = fill;
    const only = onlySeries(plan);
    if (only !== undefined) this.#series.set(plan.keyOf(only, 0), new Map());
  }

  offer(group: SeriesRow): void {
    if (++this.#groups > maxGroups) throw tooManyGroups(this.#plan.query.view.name);
    const key = this.#plan.keyOf(group.dimensions, 0);
    const series = this.#series.get(key);
    if (series === undefined) this.#series.set(key, new Map([[group.pane, group]]));
    else series.set(group.pane, group);
    this.#first = Math.min(this.#first, group.pane);
    this.#last = Math.max(this.#last, group.pane);
  }

  /** Throws TIDEMARK_QUERY_TOO_LARGE before it gives more rows than a query may have. */
  *rows(): Generator<SeriesRow, void, undefined> {
    const buckets = [...this.#buckets()];
    if (buckets.length * this.#series.size > maxGroups) throw this.#tooMany();
    for (const series of this.#series.values()) yield* this.#filled(series, buckets);
  }

  *#filled(
    series: ReadonlyMap<number, SeriesRow>,
    buckets: readonly number[],
  ): Generator<SeriesRow, void, undefined> {
    const { view } = this.#plan.query;
    const dimensions = series.values().next().value?.dimensions ?? onlySeries(this.#plan) ?? [];
    const fill = this.#fill;
    let before: SeriesRow | undefined;
    for (const pane of buckets) {
      const group = series.get(pane);
      if (group !== undefined) yield group;
      else if (fill === "previous" && before !== undefined) yield { ...before, pane };
      else yield { dimensions, pane, cells: zeroState(view), made: fill === "zero" ? "zero" : "null" };
      before = group ?? before;
    }
  }

  *#buckets(): Generator<number, void, undefined> {
    const { bucketOf, query } = this.#plan;
    const { buckets, view, from, to } = query;
    if (buckets === undefined) return;
    // What ends a calendar's range is named as its panes are; a zone's days begin elsewhere than they are named.
    const startsAt = (bucket: number) =>
      view.window?.window.kind === "calendar" ? bucket : startOf(buckets, bucket);
    const isIn = (bucket: number) => (to === undefined ? bucket <= this.#last : startsAt(bucket) < to);
    let count = 0;
    for (
      let bucket = from === undefined ? this.#first : bucketOf(from);
      Number.isFinite(bucket) && isIn(bucket);
      bucket = paneAfter(buckets, bucket)
    ) {
      if (++count > maxGroups) throw this.#tooMany();
      yield bucket;
    }
  }

  #tooMany(): TidemarkError {
    return new TidemarkError(
      "TIDEMARK_QUERY_TOO_LARGE",
      `fill=${this.#fill} makes more than ${maxGroups} rows of ${this.#series.size} series: narrow the range by from and to, give a wider granularity, or filter`,
    );
  }
}

/** The series that is there even if it has no row: of a query that names every value by which rows are told apart, or none. */
function onlySeries({ query }: Plan): readonly Scalar[] | undefined {
  const dimensions: Scalar[] = query.columns.map(() => null);
  for (const i of query.groupBy) {
    const filter = query.filters[i];
    if (filter?.kind !== "values" || !isOneValue(filter)) return undefined;
    dimensions[i] = filter.values[0] ?? null;
  }
  return dimensions;
}

function fillError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_QUERY_FILL", `fill: ${message}`);
}
