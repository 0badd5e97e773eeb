import type { MeasureDescription, ViewDescription } from "../answers.ts";
import { rowsPath } from "../api.ts";
import { hrefOf, type Route } from "../route.ts";

/**
 * What is asked of a view: the query string of its rows, and beside it what is the console's own: `chart`, the measure
 * that is drawn.
 */
export interface Question {
  readonly view: ViewDescription;
  readonly parameters: URLSearchParams;
  readonly groupBy: readonly string[];
  readonly measures: readonly string[];
  readonly charted: MeasureDescription;
  readonly layer: Layer;
}

/** "both" is merged, and of each row how much is batch and how much speed. */
export const layers = ["both", "merged", "batch", "speed"] as const;
export type Layer = (typeof layers)[number];

/** Not parameters of the server. */
const own = ["chart", "layer"];

export function readQuestion(view: ViewDescription, { query }: Route): Question {
  const parameters = new URLSearchParams(query.size === 0 ? firstParameters(view) : query);
  const groupBy = listOf(parameters.get("groupBy")) ?? defaultGroupBy(view, parameters);
  const measures = listOf(parameters.get("measures")) ?? view.measures.map(({ name }) => name);
  const drawable = view.measures.filter(({ name, type }) => measures.includes(name) && isDrawable(type));
  const charted =
    drawable.find(({ name }) => name === parameters.get("chart")) ?? drawable[0] ?? view.measures[0];
  if (charted === undefined) throw new Error(`view ${view.name} has no measures`);
  const layer = layers.find((name) => name === parameters.get("layer")) ?? "both";
  return { view, parameters, groupBy, measures, charted, layer };
}

/** Where the page goes when a parameter changes; undefined takes it out. Values beside those are filters. */
export function withParameter(
  { view, parameters }: Question,
  changes: Readonly<Record<string, string | readonly string[] | undefined>>,
): string {
  const next = new URLSearchParams(parameters);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const each of value === undefined ? [] : [value].flat()) next.append(name, each);
  }
  return hrefOf("explore", view.name, next);
}

/** What the server is asked, by whoever copies it. */
export function rowsUrl({ view, parameters, layer }: Question): string {
  return rowsPath(view, serverParameters(parameters, layer === "both" ? undefined : layer));
}

/** The same rows with each side of the seam. */
export function compareUrl({ view, parameters }: Question): string {
  return rowsPath(view, serverParameters(parameters, undefined), "compare");
}

/** What a column is filtered by: `origin=ORD`, `origin:prefix=S`. */
export interface FilterOf {
  readonly column: string;
  /** Undefined: it is one of the values. */
  readonly condition: Condition | undefined;
  readonly values: readonly string[];
}

export const conditions = ["not", "prefix", "from", "to"] as const;
export type Condition = (typeof conditions)[number];

export function filtersOf({ view, parameters }: Question): readonly FilterOf[] {
  const columns = new Set(columnNames(view));
  return [...new Set(parameters.keys())].flatMap((parameter) => {
    const [column = "", name] = parameter.split(":");
    if (!columns.has(column)) return [];
    const condition = conditions.find((each) => each === name);
    return [{ column, condition, values: parameters.getAll(parameter) }];
  });
}

/** Dimensions and the attributes of the tables that they refer to, without the window. */
export function columnNames({ dimensions }: ViewDescription): readonly string[] {
  return dimensions.flatMap((dimension) => [
    dimension.name,
    ...("refersTo" in dimension && dimension.refersTo !== undefined
      ? dimension.refersTo.attributes.map(({ name }) => `${dimension.name}.${name}`)
      : []),
  ]);
}

export function isDrawable(type: MeasureDescription["type"]): boolean {
  return type === "integer" || type === "number";
}

/** Whether the value of all is the sum of the values of the parts, so that parts can be drawn on top of each other. */
export function isAdditive({ kind }: MeasureDescription): boolean {
  return kind === "count" || kind === "sum";
}

/** The newest panes of a view with time; else its largest groups. */
function firstParameters(view: ViewDescription): Record<string, string> {
  const measure = view.measures.find(isAdditive) ?? view.measures[0];
  const measures = measure === undefined ? {} : { measures: measure.name };
  const { window, dimensions } = view;
  if (window?.kind === "tumbling" || window?.kind === "calendar") {
    return { groupBy: window.name, ...measures, orderBy: `-${window.name}`, limit: "168" };
  }
  const first = dimensions[0]?.name ?? "";
  return { groupBy: first, ...measures, ...(measure && { orderBy: `-${measure.name}` }), limit: "25" };
}

function defaultGroupBy(
  { dimensions, window }: ViewDescription,
  parameters: URLSearchParams,
): readonly string[] {
  const names = dimensions.map(({ name }) => name);
  return window === null || parameters.get("granularity") === "all" ? names : [...names, window.name];
}

function serverParameters(parameters: URLSearchParams, layer: string | undefined): URLSearchParams {
  const next = new URLSearchParams(parameters);
  for (const name of own) next.delete(name);
  if (layer !== undefined) next.set("layer", layer);
  return next;
}

function listOf(text: string | null): readonly string[] | undefined {
  return text === null ? undefined : text === "" ? [] : text.split(",");
}
