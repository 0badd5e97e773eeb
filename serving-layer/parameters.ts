import type { Measure } from "../views/aggregate.ts";
import type { Position } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { EventType } from "../views/event.ts";
import { isRecomputed, notRecomputed } from "../views/layers.ts";
import { parseDuration } from "../views/time.ts";
import { shownView, type View } from "../views/view.ts";
import type { Window } from "../views/window.ts";
import { type AsOf, pastOf, readAsOf } from "./as-of/as-of.ts";
import { type AttributeColumn, attributesOf, type Column as KeyColumn, refuseAttribute } from "./columns.ts";
import { type Fill, readFill } from "./fill.ts";
import { type Condition, conditions, type Filter, FilterReader } from "./filter.ts";
import { type Format, formats, isCsv } from "./format.ts";
import { overlapping, readBuckets } from "./granularity.ts";
import { type Layer, readLayer } from "./layer.ts";
import { listNames, parameterError, readChoice, readNames } from "./parameter-text.ts";
import { readPosition } from "./position-parameter.ts";
import { type Range, readRange } from "./range.ts";
import { type OrderTerm, readLimit, readMeasures, readOrderBy } from "./selection.ts";

/** A question to one view, read and checked. */
export interface Query {
  readonly kind: "rows" | "compare";
  /** As rows show it. */
  readonly view: View;
  /** As it is declared and stored: another one where rows are sessions. */
  readonly stored: View;
  readonly from: number | undefined;
  readonly to: number | undefined;
  /** The buckets that panes are rolled up into, the panes themselves perhaps; undefined: all into one, and rows have no time. */
  readonly buckets: Window | undefined;
  /** The view's dimensions, then those attributes of theirs that the query names. */
  readonly columns: readonly KeyColumn[];
  readonly attributes: readonly AttributeColumn[];
  /** By column; undefined: every value is let through. */
  readonly filters: readonly (Filter | undefined)[];
  /** Indexes of columns, rising. */
  readonly groupBy: readonly number[];
  readonly measures: readonly Measure[];
  /** Ended by the row's key: a total order. */
  readonly orderBy: readonly OrderTerm[];
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly layer: Layer;
  /** Only rows in which batch and speed differ. */
  readonly differing: boolean;
  /** Of the topics of the view and of the tables that its attributes are from. */
  readonly after: Position | undefined;
  /** Undefined: as it is now. */
  readonly asOf: AsOf | undefined;
  readonly timeoutMs: number;
  /** What stands in the buckets of a series that have no row; undefined: nothing does. */
  readonly fill: Fill | undefined;
  /** Whether the answer has the measures of all rows together as well. */
  readonly hasTotals: boolean;
  /** Whether the answer says how it was come by. */
  readonly isExplained: boolean;
  readonly format: Format;
}

const known = {
  rows: [
    "from",
    "to",
    "granularity",
    "tz",
    "groupBy",
    "measures",
    "orderBy",
    "limit",
    "cursor",
    "layer",
    "after",
    "asOf",
    "timeout",
    "fill",
    "totals",
    "explain",
    "format",
  ],
  compare: [
    "from",
    "to",
    "granularity",
    "tz",
    "groupBy",
    "measures",
    "orderBy",
    "limit",
    "cursor",
    "differing",
    "after",
    "asOf",
    "timeout",
  ],
} as const;

const maxTimeoutMs = 30_000;

/** Reads a query string (without "?"). Every error names what is wrong and what there is instead. */
export function readQuery(
  stored: View,
  kind: Query["kind"],
  text: string,
  events: readonly EventType[],
): Query {
  const view = shownView(stored);
  if (kind === "compare" && !isRecomputed(stored))
    throw notRecomputed(stored, "there is nothing to compare with");
  const parameters = new URLSearchParams(text);
  const attributes = namedAttributes(view, parameters);
  const columns = [...view.dimensions, ...attributes];
  const { single, filters } = sortParameters(view, columns, kind, parameters);
  const range = readRange(view, single.get("from"), single.get("to"));
  const { groupBy, buckets } = readGroupBy(view, columns, single, range);
  const after = single.get("after");
  const asOf = single.get("asOf");
  if (after !== undefined && asOf !== undefined) {
    throw parameterError("after waits for what comes, and asOf asks for what was: give one of them");
  }
  const format = readChoice("format", single.get("format") ?? "json", formats);
  const isSet = (name: string) => readChoice(name, single.get(name) ?? "false", ["true", "false"]) === "true";
  return Object.freeze({
    kind,
    view,
    stored,
    ...range,
    buckets,
    columns,
    attributes,
    filters,
    groupBy,
    measures: readMeasures(view, single.get("measures")),
    orderBy: readOrderBy(view, columns, groupBy, buckets !== undefined, single.get("orderBy")),
    limit: readLimit(format, single.get("limit")),
    cursor: single.get("cursor"),
    layer: readLayer(stored, single.get("layer")),
    differing: isSet("differing"),
    after: after === undefined ? undefined : readPosition("after", after, topicsOf(view, attributes), events),
    asOf: asOf === undefined ? undefined : readAsOf(pastOf(stored), asOf, events),
    timeoutMs: readTimeout(single.get("timeout") ?? "5s"),
    fill: readFill(view, buckets, single.get("fill")),
    hasTotals: requireTotals(view, format, isSet("totals")),
    isExplained: requireJson("explain", format, isSet("explain")),
    format,
  });
}

/** Attributes that are filtered or grouped by, in the order of their dimensions. */
function namedAttributes(view: View, parameters: URLSearchParams): readonly AttributeColumn[] {
  if (view.references.length === 0) return [];
  const filtered = [...parameters.keys()].map((name) => splitCondition(name)[0]);
  const names = new Set([...filtered, ...readNames("groupBy", parameters.get("groupBy") ?? "")]);
  return attributesOf(view).filter(({ name }) => names.has(name));
}

function topicsOf(view: View, attributes: readonly AttributeColumn[]): ReadonlySet<string> {
  const tables = attributes.flatMap(({ table }) => (table.kind === "events" ? [table.view] : []));
  return new Set([view, ...tables].flatMap(({ mappings }) => mappings.map(({ event }) => event.name)));
}

function sortParameters(
  view: View,
  columns: readonly KeyColumn[],
  kind: Query["kind"],
  parameters: URLSearchParams,
) {
  const names: ReadonlySet<string> = new Set(known[kind]);
  const single = new Map<string, string>();
  const filters = columns.map((column) => new FilterReader(column));
  for (const [name, value] of parameters) {
    const [columnName, condition] = splitCondition(name);
    const index = columns.findIndex((column) => column.name === columnName);
    if (index !== -1) {
      filters[index]?.add(readCondition(name, condition), value);
    } else if (!names.has(name)) {
      throw unknownParameter(view, kind, name);
    } else if (single.has(name)) {
      throw parameterError(`${name} is given twice; give it once`);
    } else {
      single.set(name, value);
    }
  }
  return { single, filters: filters.map((reader) => reader.filter()) };
}

/** `origin:prefix` is the condition "prefix" of the column "origin". */
function splitCondition(name: string): readonly [column: string, condition?: string] {
  const at = name.indexOf(":");
  return at === -1 ? [name] : [name.slice(0, at), name.slice(at + 1)];
}

function readCondition(name: string, text: string | undefined): Condition | undefined {
  const condition = conditions.find((candidate) => candidate === text);
  if (condition !== undefined || text === undefined) return condition;
  throw new TidemarkError(
    "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
    `there is no parameter "${name.slice(0, 200)}": behind a dimension and ":" stands one of ${conditions.join(", ")}`,
  );
}

function unknownParameter(view: View, kind: Query["kind"], name: string): TidemarkError {
  const [column] = splitCondition(name);
  refuseAttribute(view, column);
  const hint = column === view.window?.name ? ` (rows are chosen by time with from and to)` : "";
  const dimensions = listNames([...view.dimensions, ...attributesOf(view)]);
  return new TidemarkError(
    "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
    `there is no parameter "${name.slice(0, 100)}"${hint}; there are ${[...known[kind], ...(kind === "rows" ? ["live", "every"] : [])].join(", ")}, and the dimensions of view "${view.name}" as filters: ${dimensions}; also with ${conditions.map((one) => `:${one}`).join(", ")}`,
  );
}

function readGroupBy(
  view: View,
  columns: readonly KeyColumn[],
  single: ReadonlyMap<string, string>,
  range: Range,
) {
  const groupBy = single.get("groupBy");
  const granularity = single.get("granularity");
  const buckets = readBuckets(view, granularity, single.get("tz"), range);
  const window = view.window;
  const names = groupBy === undefined ? undefined : readNames("groupBy", groupBy);
  for (const name of names ?? []) {
    if (name !== window?.name && !columns.some((column) => column.name === name)) {
      refuseAttribute(view, name);
      throw new TidemarkError(
        "TIDEMARK_QUERY_DIMENSION_UNKNOWN",
        `groupBy: view "${view.name}" has no dimension "${name}"; it has ${listNames([...view.dimensions, ...(window === undefined ? [] : [window]), ...attributesOf(view)])}`,
      );
    }
  }
  if (names !== undefined && window?.window.kind === "sliding" && !names.includes(window.name)) {
    throw overlapping(window, `groupBy=${names.join(",")} leaves out "${window.name}"`);
  }
  const namesWindow = window !== undefined && names?.includes(window.name) === true;
  if (namesWindow && buckets === "all") {
    throw new TidemarkError(
      "TIDEMARK_QUERY_GRANULARITY",
      `granularity=all rolls all of "${window.name}" up into one: leave it out of groupBy, or give a duration`,
    );
  }
  const isWidth = buckets !== undefined && buckets !== "all";
  if (names !== undefined && window !== undefined && !namesWindow && isWidth) {
    throw new TidemarkError(
      "TIDEMARK_QUERY_GRANULARITY",
      `granularity=${granularity} rolls up "${window.name}", which groupBy leaves out: add it to groupBy, or leave granularity out`,
    );
  }
  const isByTime = window !== undefined && buckets !== "all" && (names === undefined || namesWindow);
  return {
    groupBy: columns.flatMap(({ name }, i) =>
      (names === undefined ? i < view.dimensions.length : names.includes(name)) ? [i] : [],
    ),
    buckets: isByTime ? (buckets ?? window.window) : undefined,
  };
}

/** Windows that overlap have no total: an event would count several times. */
function requireTotals(view: View, format: Format, isAsked: boolean): boolean {
  if (isAsked && view.window?.window.kind === "sliding")
    throw overlapping(view.window, "totals=true won't do");
  return requireJson("totals", format, isAsked);
}

function requireJson(name: string, format: Format, isAsked: boolean): boolean {
  if (!isAsked || !isCsv(format)) return isAsked;
  throw parameterError(`${name}=true has no place in CSV: ask for JSON or NDJSON`);
}

function readTimeout(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms > maxTimeoutMs) {
    throw parameterError(
      `timeout="${text.slice(0, 100)}": give a duration such as "500ms" or "5s", at most ${maxTimeoutMs / 1000}s`,
    );
  }
  return ms;
}
