import type { Expression, Scalar } from "../../../views/expression.ts";
import type {
  BooleanExpression,
  NumberExpression,
  StringExpression,
} from "../../../views/expressions/typed.ts";
import type { FieldType } from "../../../views/field.ts";

export type Operand = Expression<unknown> | Scalar;

/**
 * One operator of the expression language: how it is declared, and what it means by its documentation. `meant` must not
 * call anything under `views/`, nor may it follow how the operator is implemented.
 */
export interface OperatorEntry {
  /** One list of argument types per overload; `number` takes integers too. The first argument is no literal. */
  readonly signatures: readonly (readonly FieldType[])[];
  /** What the arguments after the first must be; absent: literals and expressions alike. */
  readonly others?: "literals" | "expressions";
  readonly result: FieldType;
  declared(args: readonly Operand[]): Expression<unknown>;
  meant(args: readonly Scalar[]): Scalar;
}

/** Null if an argument is null. */
function strict(meant: (args: readonly Exclude<Scalar, null>[]) => Scalar): OperatorEntry["meant"] {
  return (args) => {
    const known = args.filter((arg) => arg !== null);
    return known.length < args.length ? null : meant(known);
  };
}

function comparison(
  signatures: OperatorEntry["signatures"],
  declared: (a: NumberExpression, b: number) => BooleanExpression,
  meant: (a: Exclude<Scalar, null>, b: Exclude<Scalar, null>) => boolean,
): OperatorEntry {
  return {
    signatures,
    result: "boolean",
    declared: ([a, b]) => declared(a as NumberExpression, b as number),
    meant: strict(([a, b]) => meant(a ?? 0, b ?? 0)),
  };
}

const ofNumbers = [["number", "number"]] as const;
const ofAll = [
  ["string", "string"],
  ["number", "number"],
  ["boolean", "boolean"],
] as const;

/** Every operator. A new one is one entry here: cases with it are generated, and the oracle knows what it means. */
export const operators: Readonly<Record<string, OperatorEntry>> = {
  eq: comparison(
    ofAll,
    (a, b) => a.eq(b),
    (a, b) => a === b,
  ),
  ne: comparison(
    ofAll,
    (a, b) => a.ne(b),
    (a, b) => a !== b,
  ),
  gt: comparison(
    ofNumbers,
    (a, b) => a.gt(b),
    (a, b) => a > b,
  ),
  gte: comparison(
    ofNumbers,
    (a, b) => a.gte(b),
    (a, b) => a >= b,
  ),
  lt: comparison(
    ofNumbers,
    (a, b) => a.lt(b),
    (a, b) => a < b,
  ),
  lte: comparison(
    ofNumbers,
    (a, b) => a.lte(b),
    (a, b) => a <= b,
  ),
  between: {
    signatures: [["number", "number", "number"]],
    result: "boolean",
    declared: ([a, low, high]) => (a as NumberExpression).between(low as number, high as number),
    // At least the one and at most the other: false as soon as either is known not to hold.
    meant: ([a = null, low = null, high = null]) => {
      if (a === null) return null;
      if ((low !== null && a < low) || (high !== null && a > high)) return false;
      return low === null || high === null ? null : true;
    },
  },
  in: {
    signatures: [
      ["string", "string"],
      ["string", "string", "string", "string"],
      ["number", "number", "number"],
      ["boolean", "boolean"],
    ],
    others: "literals",
    result: "boolean",
    declared: ([a, ...list]) => (a as StringExpression).in(...(list as [string, ...string[]])),
    meant: strict(([a, ...list]) => list.some((item) => item === a)),
  },
  isNull: {
    signatures: [["string"], ["number"], ["boolean"]],
    result: "boolean",
    declared: ([a]) => (a as StringExpression).isNull(),
    meant: ([a]) => a === null,
  },
  and: {
    signatures: [["boolean", "boolean"]],
    others: "expressions",
    result: "boolean",
    declared: ([a, b]) => (a as BooleanExpression).and(b as BooleanExpression),
    meant: (args) => (args.includes(false) ? false : args.includes(null) ? null : true),
  },
  or: {
    signatures: [["boolean", "boolean"]],
    others: "expressions",
    result: "boolean",
    declared: ([a, b]) => (a as BooleanExpression).or(b as BooleanExpression),
    meant: (args) => (args.includes(true) ? true : args.includes(null) ? null : false),
  },
  not: {
    signatures: [["boolean"]],
    result: "boolean",
    declared: ([a]) => (a as BooleanExpression).not(),
    meant: strict(([a]) => a === false),
  },
};
