import type { Expression, Scalar } from "../../../views/expression.ts";
import type { FieldType } from "../../../views/field.ts";
import type { List } from "./fields.ts";

export type Operand = Expression<unknown> | Scalar | Date;

/**
 * What an argument can be. A type: an expression or a literal of it, `number` of integers too. `float`, `condition`: an
 * expression that is a float, or a boolean. A list of the event. Several: one of these literals.
 */
export type Slot = FieldType | "float" | "condition" | { readonly list: List } | readonly Scalar[];

/**
 * One operator of the expression language: how it is declared, and what it means by its documentation. `meant` must not
 * call anything under `views/`, nor may it follow how the operator is implemented.
 */
export interface OperatorEntry {
  /** One list of arguments per overload. The first argument is no literal. */
  readonly signatures: readonly (readonly Slot[])[];
  /** What the arguments after the first must be; absent: as their slots say. */
  readonly others?: "literals" | "expressions";
  /** The type of what is declared: a float never is an integer. */
  readonly result: FieldType;
  declared(args: readonly Operand[]): Expression<unknown>;
  meant(args: readonly Scalar[]): Scalar;
}

export type OperatorEntries = Readonly<Record<string, OperatorEntry>>;

export type Known = Exclude<Scalar, null>;

/** Null if an argument is null. */
export function strict(meant: (args: readonly Known[]) => Scalar): OperatorEntry["meant"] {
  return (args) => {
    const known = args.filter((arg) => arg !== null);
    return known.length < args.length ? null : meant(known);
  };
}
