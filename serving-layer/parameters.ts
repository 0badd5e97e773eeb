import type { Measure } from "../views/aggregate.ts";
import { type Position, parsePosition } from "../views/cut.ts";
import { TidemarkError } from "../views/errors.ts";
import type { EventType } from "../views/event.ts";
import type { Scalar } from "../views/expression.ts";
import { parseDuration } from "../views/time.ts";
import { shownView, type View } from "../views/view.ts";
import type { Window } from "../views/window.ts";
import { type AttributeColumn, attributesOf, type Column as KeyColumn, refuseAttribute } from "./columns.ts";
import { readFilter } from "./filter.ts";
import { overlapping, readBuckets } from "./granularity.ts";
import { type Range, readRange } from "./range.ts";

export type Layer = "merged" | "batch" | "speed";

export type Column =
  /** `index` is that of the query's columns. */
  | { readonly kind: "dimension"; readonly index: number }
  | { readonly kind: "window" }
  | { readonly kind: "measure"; readonly measure: Measure };

export interface OrderTerm {
  readonly column: Column;
  readonly descending: boolean;
}

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
  /** By column, the values that are let through; undefined: all. Without doubles. */
  readonly filters: readonly (readonly Scalar[] | undefined)[];
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
  readonly timeoutMs: number;
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
    "timeout",
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
    "timeout",
  ],
} as const;

export const maxLimit = 100_000;
const maxTimeoutMs = 30_000;
const maxFilterValues = 1_000;

/** Reads a query string (without "?"). Every error names what is wrong and what there is instead. */
export function readQuery(
  stored: View,
  kind: Query["kind"],
  text: string,
  events: readonly EventType[],
): Query {
  const view = shownView(stored);
  const parameters = new URLSearchParams(text);
  const attributes = namedAttributes(view, parameters);
  const columns = [...view.dimensions, ...attributes];
  const { single, filters } = sortParameters(view, columns, kind, parameters);
  const range = readRange(view, single.get("from"), single.get("to"));
  const { groupBy, buckets } = readGroupBy(view, columns, single, range);
  const after = single.get("after");
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
    limit: readLimit(single.get("limit")),
    cursor: single.get("cursor"),
    layer: readChoice("layer", single.get("layer") ?? "merged", ["merged", "batch", "speed"]),
    differing: readChoice("differing", single.get("differing") ?? "false", ["true", "false"]) === "true",
    after: after === undefined ? undefined : readAfter(topicsOf(view, attributes), after, events),
    timeoutMs: readTimeout(single.get("timeout") ?? "5s"),
  });
}

/** Attributes that are filtered or grouped by, in the order of their dimensions. */
function namedAttributes(view: View, parameters: URLSearchParams): readonly AttributeColumn[] {
  if (view.references.length === 0) return [];
  const names = new Set([...parameters.keys(), ...readNames("groupBy", parameters.get("groupBy") ?? "")]);
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
  const filters: Scalar[][] = columns.map(() => []);
  for (const [name, value] of parameters) {
    const index = columns.findIndex((column) => column.name === name);
    const column = columns[index];
    if (column !== undefined) {
      const values = filters[index];
      const scalar = readFilter(column, value);
      if (values?.includes(scalar) === false) values.push(scalar);
      if ((values?.length ?? 0) > maxFilterValues) {
        throw parameterError(
          `${name} is given more than ${maxFilterValues} values; ask several times, or without the filter`,
        );
      }
    } else if (!names.has(name)) {
      throw unknownParameter(view, kind, name);
    } else if (single.has(name)) {
      throw parameterError(`${name} is given twice; give it once`);
    } else {
      single.set(name, value);
    }
  }
  return { single, filters: filters.map((values) => (values.length === 0 ? undefined : values)) };
}

function unknownParameter(view: View, kind: Query["kind"], name: string): TidemarkError {
  refuseAttribute(view, name);
  const hint = name === view.window?.name ? ` (rows are chosen by time with from and to)` : "";
  const dimensions = listNames([...view.dimensions, ...attributesOf(view)]);
  return new TidemarkError(
    "TIDEMARK_QUERY_PARAMETER_UNKNOWN",
    `there is no parameter "${name.slice(0, 100)}"${hint}; there are ${known[kind].join(", ")}, and the dimensions of view "${view.name}" as filters: ${dimensions}`,
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

function readMeasures(view: View, text: string | undefined): readonly Measure[] {
  if (text === undefined) return view.measures;
  const names = readNames("measures", text);
  if (names.length === 0) throw parameterError(`measures is empty: name some of ${listNames(view.measures)}`);
  for (const name of names) {
    if (!view.measures.some((measure) => measure.name === name)) {
      throw new TidemarkError(
        "TIDEMARK_QUERY_MEASURE_UNKNOWN",
        `view "${view.name}" has no measure "${name}"; it has ${listNames(view.measures)}`,
      );
    }
  }
  return view.measures.filter((measure) => names.includes(measure.name));
}

function readOrderBy(
  view: View,
  keyColumns: readonly KeyColumn[],
  groupBy: readonly number[],
  isByTime: boolean,
  text: string | undefined,
) {
  const columns = new Map<string, Column>(
    groupBy.map((index) => [keyColumns[index]?.name ?? "", { kind: "dimension", index }]),
  );
  if (view.window !== undefined && isByTime) columns.set(view.window.name, { kind: "window" });
  const key = [...columns];
  for (const measure of view.measures) {
    if (measure.aggregate.value.type !== "histogram") columns.set(measure.name, { kind: "measure", measure });
  }
  const terms: OrderTerm[] = [];
  const taken = new Set<string>();
  for (const term of readNames("orderBy", text ?? "")) {
    const descending = term.startsWith("-");
    const name = descending ? term.slice(1) : term;
    const column = columns.get(name);
    if (column === undefined) {
      throw parameterError(
        `orderBy: rows of this query have no column "${name}"; they can be ordered by ${[...columns.keys()].join(", ")}`,
      );
    }
    if (taken.has(name)) throw parameterError(`orderBy names "${name}" twice`);
    taken.add(name);
    terms.push({ column, descending });
  }
  for (const [name, column] of key) if (!taken.has(name)) terms.push({ column, descending: false });
  return terms;
}

function readNames(parameter: string, text: string): readonly string[] {
  const names = text === "" ? [] : text.split(",").map((name) => name.trim().slice(0, 101));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw parameterError(`${parameter} names "${twice}" twice`);
  return names;
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return 1_000;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > maxLimit) {
    throw parameterError(
      `limit="${text.slice(0, 100)}": give a whole number from 1 to ${maxLimit}, and go on with cursor`,
    );
  }
  return limit;
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

function readChoice<C extends string>(name: string, text: string, choices: readonly C[]): C {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) {
    throw parameterError(`${name}="${text.slice(0, 100)}": give one of ${choices.join(", ")}`);
  }
  return choice;
}

/** A position may speak of several topics; an answer can wait for those only that it rests on. */
function readAfter(topics: ReadonlySet<string>, text: string, events: readonly EventType[]): Position {
  const position = parsePosition(text);
  for (const [topic, partitions] of position) {
    const event = events.find(({ name }) => name === topic);
    if (event === undefined) {
      throw parameterError(
        `after: there is no topic "${topic.slice(0, 100)}"; there are ${listNames(events)}`,
      );
    }
    const beyond = [...partitions.keys()].find((partition) => partition >= event.partitions);
    if (beyond !== undefined) {
      throw parameterError(
        `after: topic "${topic}" has partitions 0 to ${event.partitions - 1}, no ${beyond}`,
      );
    }
  }
  return new Map([...position].filter(([topic]) => topics.has(topic)));
}

function listNames(named: readonly { readonly name: string }[]): string {
  return named.length === 0 ? "none" : named.map(({ name }) => name).join(", ");
}

function parameterError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_QUERY_PARAMETER", message);
}
