import { TidemarkError, unreachable } from "../errors.ts";
import { callNode, Expression, fieldNode, literalNode, type Node, type Operator } from "../expression.ts";
import type { Field } from "../field.ts";
import { among, equal, greater, greaterOrEqual, less, lessOrEqual, notEqual } from "./compare.ts";
import { and, isNull, not, or } from "./logic.ts";

/** What every expression can be asked, whatever its type. */
abstract class Comparable<T> extends Expression<T> {
  eq(value: T | Expression<T>): BooleanExpression {
    return this.compare(equal, value);
  }

  ne(value: T | Expression<T>): BooleanExpression {
    return this.compare(notEqual, value);
  }

  in(...values: readonly [T, ...T[]]): BooleanExpression {
    const args = values.map((value) => literalNode(value, this.node.type));
    return new BooleanExpression(callNode(among, [this.node, ...args]));
  }

  isNull(): BooleanExpression {
    return new BooleanExpression(callNode(isNull, [this.node]));
  }

  protected compare(operator: Operator, value: T | Expression<T>): BooleanExpression {
    return new BooleanExpression(callNode(operator, [this.node, operand(value, this.node)]));
  }
}

/** A literal or an expression that can be compared with `beside`; throws TIDEMARK_DECLARATION_TYPE if it can't. */
function operand<T>(value: T | Expression<T>, beside: Node): Node {
  if (!(value instanceof Expression)) return literalNode(value, beside.type);
  const isNumeric = (node: Node) => node.type === "integer" || node.type === "number";
  if (value.node.type !== beside.type && !(isNumeric(value.node) && isNumeric(beside))) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `a ${beside.type} can't be compared with a ${value.node.type}`,
    );
  }
  return value.node;
}

export class StringExpression extends Comparable<string> {}

export class NumberExpression extends Comparable<number> {
  gt(value: number | Expression<number>): BooleanExpression {
    return this.compare(greater, value);
  }

  gte(value: number | Expression<number>): BooleanExpression {
    return this.compare(greaterOrEqual, value);
  }

  lt(value: number | Expression<number>): BooleanExpression {
    return this.compare(less, value);
  }

  lte(value: number | Expression<number>): BooleanExpression {
    return this.compare(lessOrEqual, value);
  }

  /** Both bounds included, as SQL has it. */
  between(low: number | Expression<number>, high: number | Expression<number>): BooleanExpression {
    return this.gte(low).and(this.lte(high));
  }
}

export class BooleanExpression extends Comparable<boolean> {
  and(other: BooleanExpression): BooleanExpression {
    return new BooleanExpression(callNode(and, [this.node, other.node]));
  }

  or(other: BooleanExpression): BooleanExpression {
    return new BooleanExpression(callNode(or, [this.node, other.node]));
  }

  not(): BooleanExpression {
    return new BooleanExpression(callNode(not, [this.node]));
  }
}

/** The expression class that goes with a field's TypeScript type. */
export type ExpressionOf<T> = [T] extends [string]
  ? StringExpression
  : [T] extends [number]
    ? NumberExpression
    : [T] extends [boolean]
      ? BooleanExpression
      : never;

/** What `by`, `where` and `measures` are given: one expression per field of the event's schema. */
export type Fields<Data> = { readonly [K in keyof Data]-?: ExpressionOf<Exclude<Data[K], undefined>> };

export function fieldExpression(field: Field): StringExpression | NumberExpression | BooleanExpression {
  const node = fieldNode(field);
  switch (field.type) {
    case "string":
      return new StringExpression(node);
    case "integer":
    case "number":
      return new NumberExpression(node);
    case "boolean":
      return new BooleanExpression(node);
    default:
      return unreachable(field.type);
  }
}

/** Fields by name; asking for one that the schema doesn't have throws TIDEMARK_DECLARATION_FIELD. */
export function fieldExpressions<Data>(owner: string, fields: readonly Field[]): Fields<Data> {
  const byName = new Map(fields.map((field) => [field.name, fieldExpression(field)]));
  return new Proxy({} as Fields<Data>, {
    get(_target, name) {
      if (typeof name === "symbol") return undefined;
      const expression = byName.get(name);
      if (expression === undefined) {
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_FIELD",
          `${owner} has no field "${name}"; its fields are ${fields.map((field) => field.name).join(", ")}`,
        );
      }
      return expression;
    },
  });
}
