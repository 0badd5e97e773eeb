import { defineOperator, type Operator } from "../expression.ts";
import type { FieldType } from "../field.ts";

function comparison(name: string, js: string, sql: string): Operator {
  return defineOperator({
    name,
    result: "boolean",
    nulls: "propagate",
    js: ([a, b]: readonly string[]) => `(${a} ${js} ${b})`,
    sql: ([a, b]: readonly string[]) => `(${a} ${sql} ${b})`,
  } as const);
}

export const equal = comparison("eq", "===", "=");
export const notEqual = comparison("ne", "!==", "<>");

/**
 * The order of code points, which is also that of UTF-8 and so DuckDB's. JavaScript's `<` goes by UTF-16: there 😀, whose
 * halves lie from D800 to DFFF, comes before U+FFFD. Below 0 where `a` comes first.
 */
export function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const isHalf = (x & 0xf800) === 0xd800;
    return isHalf === ((y & 0xf800) === 0xd800) ? x - y : isHalf ? 1 : -1;
  }
  return a.length - b.length;
}

/** An order of numbers, and one of the same name of texts. */
function order(name: string, sign: string) {
  const numbers = comparison(name, sign, sign);
  const texts = defineOperator({
    ...numbers,
    js: ([a, b], scope) => `(${scope.constant(compareTexts)}(${a}, ${b}) ${sign} 0)`,
  });
  return (type: FieldType): Operator => (type === "string" ? texts : numbers);
}

export const greater = order("gt", ">");
export const greaterOrEqual = order("gte", ">=");
export const less = order("lt", "<");
export const lessOrEqual = order("lte", "<=");

/** `a IN (…)`: the first argument against each of the others. */
export const among: Operator = Object.freeze({
  name: "in",
  result: "boolean",
  nulls: "propagate",
  js: ([a, ...list]: readonly string[]) => `(${list.map((item) => `${a} === ${item}`).join(" || ")})`,
  sql: ([a, ...list]: readonly string[]) => `(${a} IN (${list.join(", ")}))`,
} as const);
