import type { Operator } from "../expression.ts";

function comparison(name: string, js: string, sql: string): Operator {
  return Object.freeze({
    name,
    result: "boolean",
    nulls: "propagate",
    js: ([a, b]: readonly string[]) => `(${a} ${js} ${b})`,
    sql: ([a, b]: readonly string[]) => `(${a} ${sql} ${b})`,
  } as const);
}

export const equal = comparison("eq", "===", "=");
export const notEqual = comparison("ne", "!==", "<>");
export const greater = comparison("gt", ">", ">");
export const greaterOrEqual = comparison("gte", ">=", ">=");
export const less = comparison("lt", "<", "<");
export const lessOrEqual = comparison("lte", "<=", "<=");

/** `a IN (…)`: the first argument against each of the others. */
export const among: Operator = Object.freeze({
  name: "in",
  result: "boolean",
  nulls: "propagate",
  js: ([a, ...list]: readonly string[]) => `(${list.map((item) => `${a} === ${item}`).join(" || ")})`,
  sql: ([a, ...list]: readonly string[]) => `(${a} IN (${list.join(", ")}))`,
} as const);
