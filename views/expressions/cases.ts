import { callNode, Expression, type Node } from "../expression.ts";
import { constantNode, nullNode } from "../literal.ts";
import { choose } from "./conditional.ts";
import { commonType, operand } from "./operand.ts";
import { type BooleanExpression, type ExpressionOf, typed } from "./typed.ts";

/** A condition's outcomes so far; not a value before `otherwise`. */
export class Cases<T extends string | number | boolean | Date> {
  readonly #cases: readonly { readonly condition: Node; readonly value: Node }[];

  constructor(cases: readonly { readonly condition: Node; readonly value: Node }[]) {
    this.#cases = cases;
  }

  /** Where no condition before it is true and this one is. */
  when(condition: BooleanExpression, value: T | Expression<T>): Cases<T> {
    return new Cases([...this.#cases, { condition: condition.node, value: operand(value, this.#first) }]);
  }

  /** Where no condition is true: all are false or unknown. */
  otherwise(value: T | Expression<T> | null): ExpressionOf<T> {
    const rest = value === null ? nullNode(this.#first.type) : operand(value, this.#first);
    const node = this.#cases.reduceRight(
      (others, { condition, value }) =>
        callNode(choose(commonType(value, others)), [condition, value, others]),
      rest,
    );
    return typed(node) as unknown as ExpressionOf<T>;
  }

  get #first(): Node {
    const [first] = this.#cases;
    if (first === undefined) throw new Error("cases begin with one");
    return first.value;
  }
}

type Widened<T> = T extends string ? string : T extends number ? number : T extends Date ? Date : boolean;

/** `when(f.delay.gt(15), "late").when(…, …).otherwise("on time")`: the first value whose condition is true. */
export function when<T extends string | number | boolean | Date>(
  condition: BooleanExpression,
  value: T | Expression<T>,
): Cases<Widened<T>> {
  const node = value instanceof Expression ? value.node : constantNode(value);
  return new Cases([{ condition: condition.node, value: node }]);
}
