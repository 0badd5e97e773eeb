import type { Expression } from "../../../views/expression.ts";
import type {
  BooleanExpression,
  NumberExpression,
  StringExpression,
} from "../../../views/expressions/typed.ts";
import { type OperatorEntries, type OperatorEntry, type Slot, strict } from "./operator-entry.ts";

const ofIntegers = [["integer", "integer"]] as const;
/** Two of which one at least is a float. */
const ofFloats = [
  ["float", "number"],
  ["integer", "float"],
] as const;

/** Null beyond ±(2^53 − 1). */
function whole(value: bigint): number | null {
  const most = 2n ** 53n - 1n;
  return value > most || value < -most ? null : Number(value);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? (value === 0 ? 0 : value) : null;
}

type Binary = (a: NumberExpression, b: number) => NumberExpression;

function exact(declared: Binary, meant: (a: bigint, b: bigint) => bigint): OperatorEntry {
  return {
    signatures: ofIntegers,
    result: "integer",
    declared: ([a, b]) => declared(a as NumberExpression, b as number),
    meant: strict(([a = 0, b = 0]) => whole(meant(BigInt(a), BigInt(b)))),
  };
}

function inDoubles(
  declared: Binary,
  meant: (a: number, b: number) => number,
  signatures: OperatorEntry["signatures"] = ofFloats,
): OperatorEntry {
  return {
    signatures,
    result: "number",
    declared: ([a, b]) => declared(a as NumberExpression, b as number),
    meant: strict(([a, b]) => finite(meant(a as number, b as number))),
  };
}

/** Divisors: constants of the view. */
const divisors: Slot = [1, 2, 3, 10, 4_096, 3_600_000, 2 ** 52 - 1];

function byConstant(declared: Binary, meant: (a: bigint, n: bigint) => bigint): OperatorEntry {
  return { ...exact(declared, meant), signatures: [["integer", divisors]] };
}

/** From 0 to n − 1. */
const modulo = (a: bigint, n: bigint) => ((a % n) + n) % n;

function unary(
  signature: "integer" | "float" | "number",
  result: "integer" | "number",
  declared: (a: NumberExpression) => Expression<unknown>,
  meant: (a: number) => number | null,
): OperatorEntry {
  return {
    signatures: [[signature]],
    result,
    declared: ([a]) => declared(a as NumberExpression),
    meant: strict(([a]) => meant(a as number)),
  };
}

const opposite = (a: number) => (a === 0 ? 0 : -a);
const size = (a: number) => (a < 0 ? -a : a);

/** A double as the whole number toward 0 and what is left; of those beyond the bounds there is no result. */
function rounded(a: number, by: (toward0: bigint, rest: number) => bigint): number | null {
  const toward0 = a < 0 ? Math.ceil(a) : Math.floor(a);
  return whole(by(BigInt(toward0), a - toward0));
}

const floorOf = (a: number) => rounded(a, (t, rest) => (rest < 0 ? t - 1n : t));
const ceilOf = (a: number) => rounded(a, (t, rest) => (rest > 0 ? t + 1n : t));
const roundOf = (a: number) => rounded(a, (t, rest) => (rest >= 0.5 ? t + 1n : rest <= -0.5 ? t - 1n : t));

function wholeIn(text: string): number | null {
  const digits = text.startsWith("+") || text.startsWith("-") ? text.slice(1) : text;
  const isNumber = digits !== "" && [...digits].every((digit) => "0123456789".includes(digit));
  if (!isNumber) return null;
  return whole(text.startsWith("-") ? -BigInt(digits) : BigInt(digits));
}

export const numberOperators: OperatorEntries = {
  plus: exact(
    (a, b) => a.plus(b),
    (a, b) => a + b,
  ),
  minus: exact(
    (a, b) => a.minus(b),
    (a, b) => a - b,
  ),
  times: exact(
    (a, b) => a.times(b),
    (a, b) => a * b,
  ),
  plusOfFloats: inDoubles(
    (a, b) => a.plus(b),
    (a, b) => a + b,
  ),
  minusOfFloats: inDoubles(
    (a, b) => a.minus(b),
    (a, b) => a - b,
  ),
  timesOfFloats: inDoubles(
    (a, b) => a.times(b),
    (a, b) => a * b,
  ),
  dividedBy: inDoubles(
    (a, b) => a.dividedBy(b),
    (a, b) => a / b,
    [["number", "number"]],
  ),
  quotient: byConstant(
    (a, n) => a.quotient(n),
    (a, n) => (a - modulo(a, n)) / n,
  ),
  remainder: byConstant((a, n) => a.remainder(n), modulo),
  negated: unary("integer", "integer", (a) => a.negated(), opposite),
  negatedFloat: unary("float", "number", (a) => a.negated(), opposite),
  abs: unary("integer", "integer", (a) => a.abs(), size),
  absOfFloat: unary("float", "number", (a) => a.abs(), size),
  floor: unary("number", "integer", (a) => a.floor(), floorOf),
  ceil: unary("number", "integer", (a) => a.ceil(), ceilOf),
  round: unary("number", "integer", (a) => a.round(), roundOf),
  toText: {
    signatures: [["integer"], ["boolean"]],
    result: "string",
    declared: ([a]) => (a as NumberExpression | BooleanExpression).toText(),
    meant: strict(([a = 0]) => (typeof a === "boolean" ? (a ? "true" : "false") : String(BigInt(a)))),
  },
  textToInteger: {
    signatures: [["string"]],
    result: "integer",
    declared: ([a]) => (a as StringExpression).toInteger(),
    meant: strict(([a]) => wholeIn(a as string)),
  },
  booleanToInteger: {
    signatures: [["boolean"]],
    result: "integer",
    declared: ([a]) => (a as BooleanExpression).toInteger(),
    meant: strict(([a]) => (a === true ? 1 : 0)),
  },
};
