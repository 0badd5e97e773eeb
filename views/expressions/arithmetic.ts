import { defineOperator, type Operator } from "../expression.ts";
import type { FieldType } from "../field.ts";
import { onlyIf } from "./only-if.ts";

/**
 * Integers stay exact: beyond ±(2^53 − 1) there is no result, which is null, as is a float that is not finite. Null
 * rather than an error, since one odd event must stop neither layer; rather than a rounded number, since sums are exact.
 */
type NumberType = Extract<FieldType, "integer" | "number">;

/** Rounding never brings the true result of +, − or × of safe integers from outside the bounds to the inside. */
export function wholeOrNull(value: number): number | null {
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER ? value + 0 : null;
}

export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value + 0 : null;
}

export function wholeOrNullSql(value: string): string {
  return onlyIf(value, (it) => `${it} BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER}`);
}

/** `+ 0.0` makes -0 into 0. */
export function finiteOrNullSql(value: string): string {
  return onlyIf(`${value} + 0.0`, (it) => `isfinite(${it})`);
}

/** Per type of the result, an operation whose result may lie out of bounds. */
function bounded(
  name: string,
  js: (...args: readonly string[]) => string,
  sql: Readonly<Record<NumberType, (...args: readonly string[]) => string>>,
): Readonly<Record<NumberType, Operator>> {
  const shared = { name, nulls: "propagate", nullable: () => true } as const;
  return Object.freeze({
    integer: defineOperator({
      ...shared,
      result: "integer",
      js: (args, scope) => `${scope.constant(wholeOrNull)}(${js(...args)})`,
      sql: (args) => `CAST(${wholeOrNullSql(sql.integer(...args))} AS BIGINT)`,
    }),
    number: defineOperator({
      ...shared,
      result: "number",
      js: (args, scope) => `${scope.constant(finiteOrNull)}(${js(...args)})`,
      sql: (args) => finiteOrNullSql(sql.number(...args)),
    }),
  });
}

function simply(operator: string) {
  return (a = "", b = "") => `(${a} ${operator} ${b})`;
}

export const plus = bounded("plus", simply("+"), { integer: simply("+"), number: simply("+") });
export const minus = bounded("minus", simply("-"), { integer: simply("-"), number: simply("-") });
/** In doubles also for integers: a product of two may not fit a BIGINT, and one within the bounds is exact. */
export const times = bounded("times", simply("*"), {
  integer: (a, b) => `CAST(${a} AS DOUBLE) * CAST(${b} AS DOUBLE)`,
  number: simply("*"),
});
/** Of integers too, a float. Null where the divisor is 0. */
export const dividedBy = bounded("dividedBy", simply("/"), {
  integer: simply("/"),
  number: simply("/"),
}).number;

/** Per type, an operation that never leaves the bounds. */
function within(name: string, js: (a: string) => string, sql: (a: string) => string) {
  const of = (result: NumberType): Operator =>
    defineOperator({
      name,
      result,
      nulls: "propagate",
      js: ([a = ""]) => js(a),
      sql: ([a = ""]) => sql(a),
    });
  return Object.freeze({ integer: of("integer"), number: of("number") });
}

/** 0 − a, not −a: of 0 that is 0, not -0. */
export const negated = within(
  "negated",
  (a) => `(0 - ${a})`,
  (a) => `(0 - ${a})`,
);
export const abs = within(
  "abs",
  (a) => `Math.abs(${a})`,
  (a) => `abs(${a})`,
);

/** A float to an integer. */
function rounding(name: string, js: (a: string) => string): Operator {
  return defineOperator({
    name,
    result: "integer",
    nulls: "propagate",
    nullable: () => true,
    js: ([a = ""], scope) => `${scope.constant(wholeOrNull)}(${js(a)})`,
    sql: ([a]) => `CAST(${wholeOrNullSql(`${name}(${a})`)} AS BIGINT)`,
  });
}

export const floor = rounding("floor", (a) => `Math.floor(${a})`);
export const ceil = rounding("ceil", (a) => `Math.ceil(${a})`);
/** Halves go away from zero, as in SQL. */
export const round = rounding("round", (a) => `Math.sign(${a}) * Math.round(Math.abs(${a}))`);

/** ⌊a / n⌋ and what is left of a. In doubles the quotient of safe integers never rounds up to the next whole number. */
export const quotient: Operator = defineOperator({
  name: "quotient",
  result: "integer",
  nulls: "propagate",
  js: ([a, n]) => `Math.floor(${a} / ${n})`,
  sql: ([a, n]) => `CAST(floor(${a} / ${n}) AS BIGINT)`,
});

/** `n` is a literal, and may stand there twice. */
export const remainder: Operator = defineOperator({
  name: "remainder",
  result: "integer",
  nulls: "propagate",
  js: ([a, n]) => `(((${a} % ${n}) + ${n}) % ${n})`,
  sql: ([a, n]) => `(((${a} % ${n}) + ${n}) % ${n})`,
});
