import type { Aggregate, Value } from "../views/aggregate.ts";
import type { Scalar } from "../views/expression.ts";
import type { Cell } from "../views/state.ts";
import { formatTime } from "../views/time.ts";
import { startOf, type Window } from "../views/window.ts";
import type { Query } from "./parameters.ts";
import { isOneValue } from "./plan.ts";

/** JSON members (without braces) of a row's key: dimensions, then the bucket's first instant. */
export type KeyJson = (dimensions: readonly Scalar[], pane: number) => string;
/** JSON members (without braces) of the measures that the query names. */
export type MeasuresJson = (cells: readonly Cell[]) => string;

/** Generated per query: names and fixed dimensions become constant text. */
export function compileKeyJson(query: Query): KeyJson {
  return compile(["dimensions", "pane"], keyParts(query), query) as KeyJson;
}

export function compileMeasuresJson(query: Query): MeasuresJson {
  return compile(["cells"], measureParts(query), query) as MeasuresJson;
}

/** JSON of a whole row. */
export type RowJson = (dimensions: readonly Scalar[], pane: number, cells: readonly Cell[]) => string;

/** Generated per query. */
export function compileRowJson(query: Query): RowJson {
  const members = [...keyParts(query), ...measureParts(query)];
  return compile(["dimensions", "pane", "cells"], members, query, "{", "}") as RowJson;
}

/** The same for a row that is made to fill a gap. */
export function compileMadeRowJson(
  query: Query,
  made: "zero" | "null",
): (dimensions: readonly Scalar[], pane: number) => string {
  const measures = query.measures.map(({ name, aggregate }): Part[] => [
    { kind: "text", text: `${JSON.stringify(name)}:${valueJson(madeValue(aggregate, made))}` },
  ]);
  const row = compile(["dimensions", "pane"], [...keyParts(query), ...measures], query, "{", "}");
  return row as ReturnType<typeof compileMadeRowJson>;
}

/** Nothing is a number only as 0. */
export function madeValue({ value }: Aggregate, made: "zero" | "null"): Value {
  return made === "zero" && (value.type === "integer" || value.type === "number") ? 0 : null;
}

/** The measures' values alone. */
export function measuresJson(query: Query, cells: readonly Cell[]): string {
  return `{${compileMeasuresJson(query)(cells)}}`;
}

/** A piece of JavaScript that gives a member's JSON; `text` is constant. */
type Part = { readonly kind: "text" | "code"; readonly text: string };

function keyParts({ view, columns, filters, groupBy, buckets }: Query): readonly Part[][] {
  const members = groupBy.map((i): Part[] => {
    const dimension = columns[i];
    const filter = filters[i];
    const name: Part = { kind: "text", text: `${JSON.stringify(dimension?.name)}:` };
    if (filter?.kind === "values" && isOneValue(filter)) {
      return [name, { kind: "text", text: JSON.stringify(filter.values[0]) }];
    }
    const value = `dimensions[${i}]`;
    return [name, { kind: "code", text: dimension?.type === "string" ? `JSON.stringify(${value})` : value }];
  });
  if (view.window !== undefined && buckets !== undefined) {
    members.push([
      { kind: "text", text: `"${view.window.name}":"` },
      { kind: "code", text: "time(pane)" },
      { kind: "text", text: '"' },
    ]);
  }
  return members;
}

function measureParts({ measures }: Query): readonly Part[][] {
  return measures.map(({ name, firstCell }, i) => [
    { kind: "text", text: `${JSON.stringify(name)}:` },
    { kind: "code", text: `value(measures[${i}].aggregate.present(cells, ${firstCell}))` },
  ]);
}

function compile(
  parameters: readonly string[],
  members: readonly Part[][],
  { measures, buckets }: Query,
  opening = "",
  closing = "",
): unknown {
  const comma: Part = { kind: "text", text: "," };
  const parts: Part[] = [
    { kind: "text", text: opening },
    ...members.flatMap((member, i) => (i === 0 ? member : [comma, ...member])),
    { kind: "text", text: closing },
  ];
  const body = parts.map(({ kind, text }) => (kind === "text" ? JSON.stringify(text) : `(${text})`));
  const source = `return (${parameters.join(", ")}) => ${body.join(" + ")};`;
  return new Function("measures", "value", "time", source)(measures, valueJson, timeTexts(buckets));
}

/** A whole number beyond ±(2^53 − 1) goes as its decimal text; so does what JSON has no number for. */
export function valueJson(value: Value): string {
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : `"${value}"`;
  return typeof value === "bigint" ? `"${value}"` : JSON.stringify(value);
}

/** A bucket's first instant as text, remembered for the buckets that many rows share. */
export function timeTexts(buckets: Window | undefined): (pane: number) => string {
  if (buckets?.kind !== "calendar") return timeText;
  let recent = new Map<number, string>();
  return (pane) => {
    const known = recent.get(pane);
    if (known !== undefined) return known;
    const text = formatTime(startOf(buckets, pane));
    if (recent.size >= 8_192) recent = new Map();
    recent.set(pane, text);
    return text;
  };
}

let recentTimes = new Map<number, string>();

/** `formatTime`, remembered for the times that many rows share. */
function timeText(ms: number): string {
  let text = recentTimes.get(ms);
  if (text === undefined) {
    if (recentTimes.size >= 8_192) recentTimes = new Map();
    text = formatTime(ms);
    recentTimes.set(ms, text);
  }
  return text;
}
