import type {
  BooleanExpression,
  NumberExpression,
  StringExpression,
} from "../../../views/expressions/typed.ts";
import { type Known, type OperatorEntries, type OperatorEntry, strict } from "./operator-entry.ts";

function comparison(
  signatures: OperatorEntry["signatures"],
  declared: (a: NumberExpression, b: number) => BooleanExpression,
  meant: (a: Known, b: Known) => boolean,
): OperatorEntry {
  return {
    signatures,
    result: "boolean",
    declared: ([a, b]) => declared(a as NumberExpression, b as number),
    meant: strict(([a, b]) => meant(a ?? 0, b ?? 0)),
  };
}

/** Numbers by their own order, texts by their code points. */
function difference(a: Known, b: Known): number {
  if (typeof a !== "string" || typeof b !== "string") return a === b ? 0 : a < b ? -1 : 1;
  const [mine, theirs] = [a, b].map((text) => Array.from(text, (character) => character.codePointAt(0) ?? 0));
  for (const [i, point] of (mine ?? []).entries()) {
    const other = theirs?.[i];
    if (point !== other) return point - (other ?? -1);
  }
  return (mine?.length ?? 0) - (theirs?.length ?? 0);
}

const ofOrdered = [
  ["number", "number"],
  ["string", "string"],
  ["time", "time"],
] as const;
const ofAll = [
  ["string", "string"],
  ["number", "number"],
  ["boolean", "boolean"],
  ["time", "time"],
] as const;

export const logicOperators: OperatorEntries = {
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
    ofOrdered,
    (a, b) => a.gt(b),
    (a, b) => difference(a, b) > 0,
  ),
  gte: comparison(
    ofOrdered,
    (a, b) => a.gte(b),
    (a, b) => difference(a, b) >= 0,
  ),
  lt: comparison(
    ofOrdered,
    (a, b) => a.lt(b),
    (a, b) => difference(a, b) < 0,
  ),
  lte: comparison(
    ofOrdered,
    (a, b) => a.lte(b),
    (a, b) => difference(a, b) <= 0,
  ),
  between: {
    signatures: [
      ["number", "number", "number"],
      ["string", "string", "string"],
      ["time", "time", "time"],
    ],
    result: "boolean",
    declared: ([a, low, high]) => (a as NumberExpression).between(low as number, high as number),
    // At least the one and at most the other: false as soon as either is known not to hold.
    meant: ([a = null, low = null, high = null]) => {
      if (a === null) return null;
      if ((low !== null && difference(a, low) < 0) || (high !== null && difference(a, high) > 0))
        return false;
      return low === null || high === null ? null : true;
    },
  },
  in: {
    signatures: [
      ["string", "string"],
      ["string", "string", "string", "string"],
      ["number", "number", "number"],
      ["boolean", "boolean"],
      ["time", "time", "time"],
    ],
    others: "literals",
    result: "boolean",
    declared: ([a, ...list]) => (a as StringExpression).in(...(list as [string, ...string[]])),
    meant: strict(([a, ...list]) => list.some((item) => item === a)),
  },
  isNull: {
    signatures: [["string"], ["number"], ["boolean"], ["time"]],
    result: "boolean",
    declared: ([a]) => (a as StringExpression).isNull(),
    meant: ([a]) => a === null,
  },
  isNotNull: {
    signatures: [["string"], ["number"], ["boolean"], ["time"]],
    result: "boolean",
    declared: ([a]) => (a as StringExpression).isNotNull(),
    meant: ([a]) => a !== null,
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
