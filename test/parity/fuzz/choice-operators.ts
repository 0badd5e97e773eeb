import type { Scalar } from "../../../views/expression.ts";
import { when } from "../../../views/expressions/cases.ts";
import type { BooleanExpression, StringExpression } from "../../../views/expressions/typed.ts";
import type { FieldType } from "../../../views/field.ts";
import type { Operand, OperatorEntries, OperatorEntry, Slot } from "./operator-entry.ts";

/** An argument that makes the result of this type, and one that can stand beside it. */
const slots: Readonly<Record<FieldType, readonly [Slot, Slot]>> = {
  string: ["string", "string"],
  integer: ["integer", "integer"],
  number: ["float", "number"],
  boolean: ["boolean", "boolean"],
  time: ["time", "time"],
};

function coalesce(result: FieldType): OperatorEntry {
  return {
    signatures: [slots[result]],
    result,
    declared: ([a, b]) => (a as StringExpression).coalesce(b as string),
    meant: ([a = null, b = null]) => (a === null ? b : a),
  };
}

/** By pairs of condition and value, then what is left. */
function firstTrue(args: readonly Scalar[]): Scalar {
  const [condition, value = null, ...others] = args;
  if (args.length === 1) return condition ?? null;
  if (condition === true) return value;
  return others.length === 0 ? null : firstTrue(others);
}

function chosen(result: FieldType): OperatorEntry {
  const [own, other] = slots[result];
  // Of the first value it must be seen that it is a time.
  const first = (value: Operand | undefined) =>
    (result === "time" && typeof value === "string" ? new Date(value) : value) as string;
  return {
    signatures: [["condition", own, other]],
    result,
    declared: ([condition, a, b]) => when(condition as BooleanExpression, first(a)).otherwise(b as string),
    meant: firstTrue,
  };
}

export const choiceOperators: OperatorEntries = {
  coalesceText: coalesce("string"),
  coalesceInteger: coalesce("integer"),
  coalesceFloat: coalesce("number"),
  coalesceBoolean: coalesce("boolean"),
  coalesceTime: coalesce("time"),
  whenText: chosen("string"),
  whenInteger: chosen("integer"),
  whenFloat: chosen("number"),
  whenBoolean: chosen("boolean"),
  whenTime: chosen("time"),
  whenElseWhen: {
    signatures: [["condition", "string", "condition", "string", "string"]],
    result: "string",
    declared: ([first, a, second, b, rest]) =>
      when(first as BooleanExpression, a as string)
        .when(second as BooleanExpression, b as string)
        .otherwise(rest as string),
    meant: firstTrue,
  },
  whenOrNull: {
    signatures: [["condition", "integer"]],
    result: "integer",
    declared: ([condition, a]) => when(condition as BooleanExpression, a as number).otherwise(null),
    meant: firstTrue,
  },
};
