import { createHash } from "node:crypto";
import { GroupKey } from "../infra/tail/group-key.ts";
import type { Value } from "../views/aggregate.ts";
import { unreachable } from "../views/errors.ts";
import type { Scalar } from "../views/expression.ts";
import { groupKeyToJs, wholeKeyBytes } from "../views/key.ts";
import { slidingWindow } from "../views/sliding-rows.ts";
import type { Cell } from "../views/state.ts";
import { bucketing } from "./buckets.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { matcherOf } from "./filter.ts";
import { type KeyRange, keyRangesOf } from "./key-ranges.ts";
import { type CompareKeys, compareBy, type OrderKey } from "./order.ts";
import type { Query } from "./parameters.ts";
import type { Column, OrderTerm } from "./selection.ts";

/** A group that the query asks for: of `dimensions`, widened, only the grouped ones mean anything. */
export interface Group {
  readonly dimensions: readonly Scalar[];
  /** The bucket, as a pane is named; 0 where rows have no time. */
  readonly pane: number;
}

/** How a query is carried out; made once per query text. One that names attributes is joined with tables each time. */
export interface Plan {
  readonly query: Query;
  /** The cursor's order key: rows up to it were answered before. */
  readonly after: OrderKey | undefined;
  /** The cursor of a page whose last row has this order key. */
  cursorAt(lastKey: OrderKey): string;
  /** Equal for two groups exactly if they are one row of the answer. Of widened dimensions. */
  keyOf(dimensions: readonly Scalar[], bucket: number): string;
  /** Throws TIDEMARK_QUERY_GRANULARITY for a pane that lies in several. */
  bucketOf(pane: number): number;
  /** The dimensions of a row of the view, with the values of the query's attributes behind them. */
  widen(dimensions: readonly Scalar[]): readonly Scalar[];
  /** Whether the filters let the widened dimensions through. */
  matches(dimensions: readonly Scalar[]): boolean;
  /** The parts of the index that hold what is asked for, in its order. */
  readonly ranges: readonly KeyRange[];
  /** The group of each range, where every dimension has its values: the tail is then looked up instead of walked. */
  readonly groupKeys: readonly GroupKey[] | undefined;
  /** How many first dimensions are grouped by or have one value: rows that share them lie together in the index. */
  readonly leading: number;
  /** The answer's order begins with the leading dimensions, so that a full page ends the reading. */
  readonly isIndexOrdered: boolean;
  /** The answer's order is that of time alone. */
  readonly isTimeOrdered: boolean;
  orderKeyOf(group: Group, cells: readonly Cell[]): OrderKey;
  readonly compare: CompareKeys;
}

export function planOf(query: Query): Plan {
  const { view, buckets, filters, groupBy, orderBy } = query;
  const hash = hashOf(query);
  const isFixed = (i: number) => isOneValue(filters[i]);
  const free = view.dimensions.findIndex((_, i) => !isFixed(i) && !groupBy.includes(i));
  const leading = free === -1 ? view.dimensions.length : free;
  const ranges = keyRangesOf(query);
  const orderThatMatters = orderBy.filter(
    ({ column }) => column.kind !== "dimension" || !isFixed(column.index),
  );
  return Object.freeze<Plan>({
    query,
    after: query.cursor === undefined ? undefined : decodeCursor(query.cursor, hash, orderBy.length),
    cursorAt: cursors(hash),
    keyOf: compileKey(query),
    bucketOf: bucketing(view.window, buckets),
    widen: (dimensions) => dimensions,
    matches: matching(filters),
    ranges,
    groupKeys: ranges.every(({ prefix }) => prefix.length === view.dimensions.length)
      ? ranges.map(({ prefix }) => new GroupKey(view, prefix))
      : undefined,
    leading,
    isIndexOrdered: beginsWithLeading(orderThatMatters, leading, isFixed),
    isTimeOrdered: orderThatMatters.every(
      ({ column, descending }) => column.kind === "window" && !descending,
    ),
    orderKeyOf: orderKeys(orderBy),
    compare: compareBy(orderBy.map(({ descending }) => descending)),
  });
}

/** The group of the index that the query names, where it is one. */
export function onlyGroup({ groupKeys = [] }: Plan): GroupKey | undefined {
  const [only, second] = groupKeys;
  return second === undefined ? only : undefined;
}

function compileKey({ columns, groupBy, buckets }: Query): Plan["keyOf"] {
  const key = groupKeyToJs(
    columns.filter((_, i) => groupBy.includes(i)),
    groupBy.map((i) => `dimensions[${i}]`),
  );
  const text = buckets === undefined ? key : `bucket + "|" + ${key}`;
  return new Function("dimensions", "bucket", `return ${text};`) as Plan["keyOf"];
}

export function isOneValue(filter: Query["filters"][number]): boolean {
  return filter?.kind === "values" && filter.values.length === 1;
}

function beginsWithLeading(
  order: readonly OrderTerm[],
  leading: number,
  isFixed: (i: number) => boolean,
): boolean {
  const indexes = Array.from({ length: leading }, (_, i) => i).filter((i) => !isFixed(i));
  return (
    indexes.length > 0 &&
    indexes.every((index, at) => {
      const term = order[at];
      return term?.column.kind === "dimension" && term.column.index === index && !term.descending;
    })
  );
}

/** Pages of the same query mostly end where the last one did. */
function cursors(hash: string): Plan["cursorAt"] {
  let last: { readonly key: OrderKey; readonly text: string } | undefined;
  return (key) => {
    if (last === undefined || key.some((value, i) => value !== last?.key[i])) {
      last = { key, text: encodeCursor(hash, key) };
    }
    return last.text;
  };
}

function orderKeys(orderBy: readonly OrderTerm[]): Plan["orderKeyOf"] {
  return (group, cells) => orderBy.map(({ column }) => valueIn(column, group, cells));
}

function valueIn(column: Column, { dimensions, pane }: Group, cells: readonly Cell[]): Value {
  switch (column.kind) {
    case "dimension":
      return dimensions[column.index] ?? null;
    case "window":
      return pane;
    case "measure":
      return column.measure.aggregate.present(cells, column.measure.firstCell);
    default:
      return unreachable(column);
  }
}

function matching(filters: Query["filters"]): Plan["matches"] {
  const tests = filters.flatMap((filter, i) =>
    filter === undefined ? [] : [{ i, lets: matcherOf(filter) }],
  );
  return (dimensions) => tests.every(({ i, lets }) => lets(dimensions[i] ?? null));
}

/** Tells queries apart for cursors: of all that decides which rows there are and in which order. */
function hashOf(query: Query): string {
  const { view, attributes, measures, orderBy, from, to, buckets, filters, groupBy, layer, kind, differing } =
    query;
  const { asOf } = query;
  const order = orderBy.map(({ column, descending }) => [
    column.kind === "measure" ? column.measure.name : column.kind === "window" ? "" : column.index,
    descending,
  ]);
  const names = measures.map(({ name }) => name);
  const isOfZone = buckets?.kind === "calendar" && buckets !== view.window?.window;
  const width = isOfZone
    ? [buckets.text, buckets.calendar.zone.name, buckets.calendar.zone.hash]
    : buckets?.widthMs;
  const sliding = slidingWindow(view);
  const range = [from ?? null, to ?? null, width ?? null];
  const meaning = [
    kind,
    view.name,
    view.fingerprint,
    layer,
    range,
    filters,
    groupBy,
    names,
    order,
    differing,
    ...(attributes.length === 0 ? [] : [attributes.map(({ name }) => name)]),
    ...(sliding === undefined ? [] : [{ lengthMs: sliding.lengthMs }]),
    ...(query.fill === undefined ? [] : [query.fill]),
    ...(asOf === undefined ? [] : [{ asOf: asOf.kind === "position" ? asOf.position : asOf.text }]),
  ];
  return createHash("sha256").update(JSON.stringify(meaning)).digest("base64url").slice(0, 12);
}

/** Whether a key that begins with these is stored with them whole, so that the index is in their true order around it. */
export function isStoredWhole(dimensions: readonly Scalar[], leading: number): boolean {
  let bytes = 0;
  for (let i = 0; i < leading; i++) {
    const value = dimensions[i];
    bytes += 12 + (typeof value === "string" ? 3 * value.length : 0);
  }
  return bytes <= wholeKeyBytes;
}
