import { TidemarkError } from "../views/errors.ts";
import type { Scalar } from "../views/expression.ts";
import type { Column } from "./columns.ts";

/**
 * A filter's text as the dimension's value. A nullable dimension reads `null` as null; if it is of text, a text in JSON
 * quotes is what the quotes hold, so that `"null"` is the word.
 */
export function readFilter(dimension: Column, text: string): Scalar {
  const { name, type, nullable } = dimension;
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
    throw new TidemarkError(
      "TIDEMARK_QUERY_PARAMETER",
      `${name}="${text.slice(0, 100)}" is no value of dimension "${name}": give ${expected[type]}${nullable ? ", or null" : ""}`,
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
