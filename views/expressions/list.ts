import { TidemarkError } from "../errors.ts";
import { callNode, defineOperator, Expression, type ListNode } from "../expression.ts";
import { isNull } from "./logic.ts";
import { operand } from "./operand.ts";
import { BooleanExpression, NumberExpression } from "./typed.ts";

type Literal<T> = [T] extends [Date]
  ? Date | string
  : [T] extends [string]
    ? string
    : [T] extends [number]
      ? number
      : [T] extends [boolean]
        ? boolean
        : never;

/** A list of an event; null where it is missing. For a row per element see `each`. */
export class ListExpression<T> extends Expression<readonly T[]> {
  declare readonly node: ListNode;

  constructor(node: ListNode) {
    super(node);
  }

  /** How many elements. */
  length(): NumberExpression {
    return new NumberExpression(callNode(length, [this.node]));
  }

  /** Whether the value is among the elements, of a list of values. */
  contains(value: Literal<T> | Expression<T>): BooleanExpression {
    if (this.node.fields.some(({ within }) => within?.path.length !== 0)) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_TYPE",
        `list "${this.node.path.join(".")}" is of objects, and contains() is for lists of values: make a row of each element with each()`,
      );
    }
    return new BooleanExpression(callNode(contains, [this.node, operand(value, this.node)]));
  }

  isNull(): BooleanExpression {
    return new BooleanExpression(callNode(isNull, [this.node]));
  }

  isNotNull(): BooleanExpression {
    return this.isNull().not();
  }
}

const length = defineOperator({
  name: "length",
  result: "integer",
  nulls: "propagate",
  js: ([a]) => `${a}.length`,
  sql: ([a]) => `len(${a})`,
});

/** `includes` takes -0 for 0, as DuckDB does. */
const contains = defineOperator({
  name: "contains",
  result: "boolean",
  nulls: "propagate",
  js: ([a, b]) => `${a}.includes(${b})`,
  sql: ([a, b]) => `list_contains(${a}, ${b})`,
});
