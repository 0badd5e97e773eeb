import type { Measure } from "../views/aggregate.ts";
import { unreachable } from "../views/errors.ts";
import { quoteIdentifier, type Scalar } from "../views/expression.ts";
import type { View } from "../views/view.ts";
import type { Filter } from "./filter.ts";
import { isStoredRow } from "./group-shape.ts";
import type { Query } from "./parameters.ts";
import type { Plan } from "./plan.ts";
import { isShownAsStored } from "./shown-rows.ts";

/** How a query's groups are read from a generation's Parquet files of states. */
export interface ColumnStatement {
  /** Takes the columns that it is to give. */
  readonly sql: (columns: readonly string[]) => string;
  readonly parameters: readonly Scalar[];
  /** Indexes of the dimensions that groups are told apart by. */
  readonly grouped: readonly number[];
  /** Indexes of the state columns that are read. */
  readonly cells: readonly number[];
}

/**
 * All groups of the query; or no more than the `first` of its order; or the `first` of those groups whose keys are not in the
 * temporary table `besides`, and all groups whose keys are.
 */
export function compileColumnStatement(
  { query }: Pick<Plan, "query">,
  paths: readonly string[],
  first?: number,
  besides?: string,
): ColumnStatement {
  const parameters: Scalar[] = [];
  const place = (value: Scalar) => `$${parameters.push(value)}`;
  const cells = cellsOf(query);
  const groups = groupsSql(query, paths, cells, place);
  const order = orderSql(query);
  const page = `${order.length === 0 ? "" : ` ORDER BY ${order.join(", ")}`} LIMIT ${first}`;
  // What columns are made into is made of the page's rows alone: a projection beside ORDER BY would be of all.
  const sql = (columns: readonly string[]) => {
    const select = `SELECT ${columns.join(", ")} FROM`;
    if (first === undefined) return `${select} (${groups})`;
    if (besides === undefined) return `${select} (SELECT * FROM (${groups})${page})`;
    const isBesides = `EXISTS (SELECT 1 FROM temp.main.${besides} AS _t WHERE ${isSameGroup(query)})`;
    return `WITH _group AS MATERIALIZED (${groups}), _page AS (SELECT * FROM _group WHERE NOT ${isBesides}${page})
      ${select} (FROM _page UNION ALL FROM _group WHERE ${isBesides})`;
  };
  return { sql, parameters, grouped: query.groupBy, cells };
}

/** Of `_t` and `_group`. */
function isSameGroup({ view, groupBy }: Query): string {
  const key = [...groupBy.map((i) => view.dimensions[i]?.name ?? ""), "_pane"].map(quoteIdentifier);
  return key.map((column) => `_t.${column} IS NOT DISTINCT FROM _group.${column}`).join(" AND ");
}

/** Whether the answer by columns is that by the index, to the last bit and byte. */
export function canScanColumns({ query }: Pick<Plan, "query">): boolean {
  const { view, buckets } = query;
  const window = view.window?.window;
  const isWhole = isStoredRow(query);
  const hasBuckets =
    buckets === undefined ||
    buckets === window ||
    (window?.kind === "tumbling" && buckets.kind === "tumbling");
  const isMergeable = ({ aggregate }: Measure) =>
    aggregate.state.length === 0 || aggregate.mergeSql !== undefined;
  return (
    isShownAsStored(query.stored) &&
    query.attributes.length === 0 &&
    hasBuckets &&
    (isWhole || measuresOf(query).every(isMergeable)) &&
    cellsOf(query).every((i) => isWhole || view.columns[i]?.type !== "sketch")
  );
}

/** Whether only the first rows are asked for, by an order that SQL has. */
export function isPageEnough({ cursor, fill, hasTotals, orderBy }: Query): boolean {
  const isPlain = cursor === undefined && fill === undefined && !hasTotals;
  return (
    isPlain &&
    orderBy.every(
      ({ column }) => column.kind !== "measure" || column.measure.aggregate.presentSql !== undefined,
    )
  );
}

/** Those that are shown or ordered by; all of them where one is derived from others. */
function measuresOf({ view, measures, orderBy }: Query): readonly Measure[] {
  const ordered = orderBy.flatMap(({ column }) => (column.kind === "measure" ? [column.measure] : []));
  const asked = new Set([...measures, ...ordered]);
  return [...asked].some(({ aggregate }) => aggregate.kind === "derived") ? view.measures : [...asked];
}

function cellsOf(query: Query): readonly number[] {
  const cells = measuresOf(query).flatMap(({ aggregate, firstCell }) =>
    aggregate.state.map((_, i) => firstCell + i),
  );
  return cells.sort((a, b) => a - b);
}

/** The query's groups, with the columns of stored rows. */
function groupsSql(
  query: Query,
  paths: readonly string[],
  cells: readonly number[],
  place: (value: Scalar) => string,
): string {
  const { view, groupBy, buckets } = query;
  const names = view.columns.map(({ name }) => quoteIdentifier(name));
  const dimensions = groupBy.map((i) => quoteIdentifier(view.dimensions[i]?.name ?? ""));
  const source = `FROM read_parquet([${paths.map(place).join(", ")}])${whereSql(query, place)}`;
  if (isStoredRow(query)) {
    return `SELECT ${[...dimensions, "_pane", ...cells.map((i) => names[i])].join(", ")} ${source}`;
  }
  const states = measuresOf(query).flatMap(({ aggregate, firstCell }) => {
    const columns = aggregate.state.map((_, i) => names[firstCell + i] ?? "");
    const merged = aggregate.mergeSql?.(columns) ?? [];
    return columns.map((column, i) => `${merged[i]} AS ${column}`);
  });
  const keys = [...dimensions, `${bucketSql(view, buckets)} AS _pane`];
  const positions = keys.map((_, i) => i + 1).join(", ");
  return `SELECT ${[...keys, ...states].join(", ")} ${source} GROUP BY ${positions}`;
}

function bucketSql({ window }: View, buckets: Query["buckets"]): string {
  if (buckets === undefined) return "CAST(0 AS BIGINT)";
  if (buckets === window?.window) return "_pane";
  const width = `CAST(${buckets.widthMs} AS BIGINT)`;
  return `(_pane - ((_pane % ${width}) + ${width}) % ${width})`;
}

function whereSql({ view, from, to, filters }: Query, place: (value: Scalar) => string): string {
  const conditions = [
    ...(from === undefined ? [] : [`_pane >= CAST(${place(from)} AS BIGINT)`]),
    ...(to === undefined ? [] : [`_pane < CAST(${place(to)} AS BIGINT)`]),
    ...view.dimensions.flatMap(({ name }, i) => {
      const filter = filters[i];
      return filter === undefined ? [] : [filterSql(quoteIdentifier(name), filter, place)];
    }),
  ];
  return conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
}

function filterSql(column: string, filter: Filter, place: (value: Scalar) => string): string {
  const isOneOf = (values: readonly Scalar[]) => {
    const known = values.filter((value) => value !== null);
    const isKnown =
      known.length === 0 ? "false" : `coalesce(${column} IN (${known.map(place).join(", ")}), false)`;
    return known.length < values.length ? `(${column} IS NULL OR ${isKnown})` : isKnown;
  };
  if (filter.kind === "values") return isOneOf(filter.values);
  const { from, to, prefixes, not } = filter;
  const conditions = [
    ...(from === undefined ? [] : [`${column} >= ${place(from)}`]),
    ...(to === undefined ? [] : [`${column} < ${place(to)}`]),
    ...(not.length === 0 ? [] : [`NOT ${isOneOf(not)}`]),
    ...(prefixes.length === 0
      ? []
      : [`(${prefixes.map((text) => `starts_with(${column}, ${place(text)})`).join(" OR ")})`]),
  ];
  return `(${conditions.length === 0 ? "true" : conditions.join(" AND ")})`;
}

/** As `compareValues` has it: null before all else, and after it where the order falls. */
function orderSql({ view, groupBy, buckets, orderBy }: Query): readonly string[] {
  const states = view.columns.map(({ name }) => quoteIdentifier(name));
  return orderBy.flatMap(({ column, descending }): readonly string[] => {
    const direction = descending ? "DESC NULLS LAST" : "ASC NULLS FIRST";
    switch (column.kind) {
      case "dimension":
        return groupBy.includes(column.index)
          ? [`${quoteIdentifier(view.dimensions[column.index]?.name ?? "")} ${direction}`]
          : [];
      case "window":
        return buckets === undefined ? [] : [`_pane ${direction}`];
      case "measure": {
        const { aggregate, firstCell } = column.measure;
        return [`${aggregate.presentSql?.(states, firstCell)} ${direction}`];
      }
      default:
        return unreachable(column);
    }
  });
}
