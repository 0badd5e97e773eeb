import { TidemarkError } from "../views/errors.ts";
import type { Scalar } from "../views/expression.ts";
import type { Column } from "./columns.ts";
import { compareValues } from "./order.ts";

/** Which values of a column a query lets through. */
export type Filter = ValuesFilter | ConditionsFilter;

/** One of these, without doubles; of none, no row. */
export interface ValuesFilter {
  readonly kind: "values";
  readonly values: readonly Scalar[];
}

/** What lies in `[from, to)` (undefined is open, null in no range), begins with one of any `prefixes`, and is none of `not`. */
export interface ConditionsFilter {
  readonly kind: "conditions";
  readonly from: Scalar | undefined;
  readonly to: Scalar | undefined;
  readonly prefixes: readonly string[];
  readonly not: readonly Scalar[];
}

/** `delay:from=5`, `origin:prefix=S`: what stands behind the column's name. */
export const conditions = ["from", "to", "prefix", "not"] as const;
export type Condition = (typeof conditions)[number];

const maxValues = 1_000;
const maxPrefixes = 100;

/** Takes in what a query says of one column, parameter by parameter. Throws TIDEMARK_QUERY_PARAMETER. */
export class FilterReader {
  readonly #column: Column;
  readonly #values = new Set<Scalar>();
  readonly #not = new Set<Scalar>();
  readonly #prefixes = new Set<string>();
  readonly #bounds = new Map<"from" | "to", Scalar>();

  constructor(column: Column) {
    this.#column = column;
  }

  /** Without a condition the text is a value that is let through. */
  add(condition: Condition | undefined, text: string): void {
    const { name } = this.#column;
    if (condition === "from" || condition === "to") this.#bound(condition, text);
    else if (condition === "prefix") {
      addTo(this.#prefixes, this.#prefix(text), `${name}:prefix`, maxPrefixes);
    } else {
      const parameter = condition === undefined ? name : `${name}:not`;
      const set = condition === undefined ? this.#values : this.#not;
      addTo(set, readValue(this.#column, parameter, text), parameter, maxValues);
    }
  }

  /** Undefined: all values are let through. */
  filter(): Filter | undefined {
    const [from, to] = [this.#bounds.get("from"), this.#bounds.get("to")];
    if (from !== undefined && to !== undefined && compareValues(from, to) > 0) {
      const { name } = this.#column;
      throw parameterError(
        `${name}:from=${from} is after ${name}:to=${to}: a range is [from, to), from the lesser to the greater`,
      );
    }
    const rest: ConditionsFilter = {
      ...{ kind: "conditions", from, to, prefixes: [...this.#prefixes], not: [...this.#not] },
    };
    const isFree = from === undefined && to === undefined && this.#prefixes.size + this.#not.size === 0;
    if (this.#values.size === 0) return isFree ? undefined : rest;
    const values = [...this.#values];
    return { kind: "values", values: isFree ? values : values.filter(matcherOf(rest)) };
  }

  #bound(name: "from" | "to", text: string): void {
    const column = this.#column;
    const parameter = `${column.name}:${name}`;
    if (column.type === "boolean") {
      throw parameterError(`${parameter}: true and false make no range; give ${column.name}=true or false`);
    }
    if (this.#bounds.has(name)) throw parameterError(`${parameter} is given twice; give it once`);
    const value = readValue(column, parameter, text);
    if (value === null) {
      const word = column.type === "string" ? `, and the word is written "null" in JSON quotes` : "";
      throw parameterError(
        `${parameter}=null: null lies in no range; ${column.name}:not=null is any value${word}`,
      );
    }
    this.#bounds.set(name, value);
  }

  #prefix(text: string): string {
    const { name, type, nullable } = this.#column;
    const prefix = type === "string" ? readText(text, nullable) : undefined;
    if (prefix !== undefined) return prefix;
    throw parameterError(
      type === "string"
        ? `${name}:prefix="${text.slice(0, 100)}" is no text in JSON quotes`
        : `${name}:prefix: only texts begin with others, and "${name}" is ${type === "integer" ? "a whole number" : type}; give ${name}:from and ${name}:to`,
    );
  }
}

function addTo<V>(set: Set<V>, value: V, parameter: string, most: number): void {
  set.add(value);
  if (set.size <= most) return;
  throw parameterError(
    `${parameter} is given more than ${most} values; ask several times, or without the filter`,
  );
}

/** Whether a filter lets a value through. */
export function matcherOf(filter: Filter): (value: Scalar) => boolean {
  if (filter.kind === "values") {
    const values = new Set(filter.values);
    return (value) => values.has(value);
  }
  const { from, to, prefixes } = filter;
  const not = new Set(filter.not);
  const hasRange = from !== undefined || to !== undefined;
  return (value) => {
    if (not.has(value)) return false;
    if (hasRange && !isWithin(value, from, to)) return false;
    return (
      prefixes.length === 0 || (typeof value === "string" && prefixes.some((text) => value.startsWith(text)))
    );
  };
}

function isWithin(value: Scalar, from: Scalar | undefined, to: Scalar | undefined): boolean {
  if (value === null) return false;
  return (
    (from === undefined || compareValues(value, from) >= 0) &&
    (to === undefined || compareValues(value, to) < 0)
  );
}

/**
 * A filter's text as the column's value. A nullable column reads `null` as null; if it is of text, a text in JSON
 * quotes is what the quotes hold, so that `"null"` is the word.
 */
function readValue({ name, type, nullable }: Column, parameter: string, text: string): Scalar {
  if (nullable && text === "null") return null;
  const value =
    type === "string" ? readText(text, nullable) : type === "integer" ? readInteger(text) : readBoolean(text);
  if (value === undefined) {
    const expected = {
      string: "text in JSON quotes",
      integer: "a whole number",
      boolean: "true or false",
      number: "a number",
      time: "a time",
    };
    throw parameterError(
      `${parameter}="${text.slice(0, 100)}" is no value of dimension "${name}": give ${expected[type]}${nullable ? ", or null" : ""}`,
    );
  }
  return value;
}

function readText(text: string, nullable: boolean): string | undefined {
  if (!nullable || !text.startsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

function readInteger(text: string): number | undefined {
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) + 0 : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function readBoolean(text: string): boolean | undefined {
  return text === "true" ? true : text === "false" ? false : undefined;
}

function parameterError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_QUERY_PARAMETER", message);
}
