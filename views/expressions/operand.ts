import { TidemarkError } from "../errors.ts";
import { Expression, type Node } from "../expression.ts";
import type { FieldType } from "../field.ts";
import { literalNode } from "../literal.ts";

/** A literal or an expression that can stand with `beside`; throws TIDEMARK_DECLARATION_TYPE if it can't. */
export function operand<T>(value: T | Expression<unknown>, beside: Node): Node {
  if (!(value instanceof Expression)) return literalNode(value, beside.type);
  if (value.node.type !== beside.type && !(isNumeric(value.node) && isNumeric(beside))) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `a ${beside.type} can't be compared or joined with a ${value.node.type}`,
    );
  }
  return value.node;
}

function isNumeric(node: Node): boolean {
  return node.type === "integer" || node.type === "number";
}

/** Of two that can stand beside each other: an integer and a float make a float. */
export function commonType(a: Node, b: Node): FieldType {
  return a.type === b.type ? a.type : "number";
}

export function numberType(node: Node): "integer" | "number" {
  return node.type === "integer" ? "integer" : "number";
}
