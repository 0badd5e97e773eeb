import type { Measure } from "../views/aggregate.ts";
import { TidemarkError } from "../views/errors.ts";
import type { View } from "../views/view.ts";
import type { Column as KeyColumn } from "./columns.ts";
import type { Format } from "./format.ts";
import { maxGroups } from "./group-bound.ts";
import { listNames, parameterError, readNames } from "./parameter-text.ts";

export type Column =
  /** `index` is that of the query's columns. */
  | { readonly kind: "dimension"; readonly index: number }
  | { readonly kind: "window" }
  | { readonly kind: "measure"; readonly measure: Measure };

export interface OrderTerm {
  readonly column: Column;
  readonly descending: boolean;
}

export function readMeasures(view: View, text: string | undefined): readonly Measure[] {
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

export function readOrderBy(
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

/** More than that is not held at once as one text; what is sent row by row may have as many rows as a query may hold. */
export const maxLimit = 100_000;

export function readLimit(format: Format, text: string | undefined): number {
  if (text === undefined) return 1_000;
  const most = format === "json" ? maxLimit : maxGroups;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > most) {
    throw parameterError(
      `limit="${text.slice(0, 100)}": give a whole number from 1 to ${most}, and go on with cursor`,
    );
  }
  return limit;
}
