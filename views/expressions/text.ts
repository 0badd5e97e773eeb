import { defineOperator, type Operator } from "../expression.ts";
import type { FieldType } from "../field.ts";

/** Lengths and places are counted in code points, as DuckDB does; JavaScript counts half a 🛫. */
export function codePoints(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) count--;
  return count;
}

/** Part `n` from 1, or from the end from -1; null where there is none. */
export function partOf(text: string, separator: string, n: number): string | null {
  return text.split(separator).at(n > 0 ? n - 1 : n) ?? null;
}

/** What `String.prototype.trim` takes off: https://tc39.es/ecma262/#sec-trimstring. DuckDB's own trim takes off fewer. */
const whiteSpace =
  "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff";

function operator(
  name: string,
  result: FieldType,
  js: Operator["js"],
  sql: Operator["sql"],
  nullable?: Operator["nullable"],
): Operator {
  return defineOperator({
    name,
    result,
    nulls: "propagate",
    js,
    sql,
    ...(nullable === undefined ? {} : { nullable }),
  });
}

export const length = operator(
  "length",
  "integer",
  ([a], scope) => `${scope.constant(codePoints)}(${a})`,
  ([a]) => `length(${a})`,
);
export const trim = operator(
  "trim",
  "string",
  ([a]) => `${a}.trim()`,
  ([a]) => `trim(${a}, '${whiteSpace}')`,
);
export const startsWith = operator(
  "startsWith",
  "boolean",
  ([a, b]) => `${a}.startsWith(${b})`,
  ([a, b]) => `starts_with(${a}, ${b})`,
);
export const endsWith = operator(
  "endsWith",
  "boolean",
  ([a, b]) => `${a}.endsWith(${b})`,
  ([a, b]) => `ends_with(${a}, ${b})`,
);
export const contains = operator(
  "contains",
  "boolean",
  ([a, b]) => `${a}.includes(${b})`,
  ([a, b]) => `contains(${a}, ${b})`,
);
export const concat = operator(
  "concat",
  "string",
  ([a, b]) => `(${a} + ${b})`,
  ([a, b]) => `(${a} || ${b})`,
);
export const part = operator(
  "part",
  "string",
  ([a, separator, n], scope) => `${scope.constant(partOf)}(${a}, ${separator}, ${n})`,
  ([a, separator, n]) => `string_split(${a}, ${separator})[${n}]`,
  () => true,
);
