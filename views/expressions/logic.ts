import type { Operator } from "../expression.ts";

/** SQL's three-valued logic: unknown (null) unless the known argument decides. */
export const and: Operator = Object.freeze({
  name: "and",
  result: "boolean",
  nulls: "mind",
  js: ([a, b]: readonly string[]) =>
    `(${a} === false || ${b} === false ? false : ${a} === null || ${b} === null ? null : true)`,
  sql: ([a, b]: readonly string[]) => `(${a} AND ${b})`,
} as const);

export const or: Operator = Object.freeze({
  name: "or",
  result: "boolean",
  nulls: "mind",
  js: ([a, b]: readonly string[]) =>
    `(${a} === true || ${b} === true ? true : ${a} === null || ${b} === null ? null : false)`,
  sql: ([a, b]: readonly string[]) => `(${a} OR ${b})`,
} as const);

export const not: Operator = Object.freeze({
  name: "not",
  result: "boolean",
  nulls: "propagate",
  js: ([a]: readonly string[]) => `!${a}`,
  sql: ([a]: readonly string[]) => `(NOT ${a})`,
} as const);

/** True or false, never null. */
export const isNull: Operator = Object.freeze({
  name: "isNull",
  result: "boolean",
  nulls: "never",
  js: ([a]: readonly string[]) => `(${a} === null)`,
  sql: ([a]: readonly string[]) => `(${a} IS NULL)`,
} as const);
