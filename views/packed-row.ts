import type { Node, Scalar } from "./expression.ts";
import { when } from "./expressions/cases.ts";
import { type BooleanExpression, StringExpression, TimeExpression, typed } from "./expressions/typed.ts";
import type { FieldType } from "./field.ts";

/**
 * A row of values as one text that is never null, so that `latest` of it is all that the latest record has, its nulls
 * included. Per value `~` for null, else its length in code points, ":" and itself; of a row that was deleted nothing.
 * Changing it changes the fingerprint of the views that keep such rows.
 */
export function packRow(nodes: readonly Node[], deleted: BooleanExpression | undefined): StringExpression {
  const [first, ...others] = nodes.map(packValue);
  if (first === undefined) throw new Error("a row has at least one value");
  const row = first.concat(...others);
  return deleted === undefined ? row : when(deleted, "").otherwise(row);
}

function packValue(node: Node): StringExpression {
  const text = textOf(node);
  const packed = text.length().toText().concat(":", text);
  return node.nullable ? when(text.isNull(), "~").otherwise(packed) : packed;
}

function textOf(node: Node): StringExpression {
  const value = typed(node);
  if (value instanceof StringExpression) return value;
  // Attributes are of no other type: the table's declaration refuses them.
  return value instanceof TimeExpression ? value.toInteger().toText() : value.toText();
}

/** The values of a packed row; undefined for null and for a row that was deleted. */
export function unpackRow(types: readonly FieldType[], row: string | null): readonly Scalar[] | undefined {
  if (row === null || row === "") return undefined;
  let at = 0;
  return types.map((type) => {
    if (row[at] === "~") {
      at++;
      return null;
    }
    const from = row.indexOf(":", at) + 1;
    at = afterCodePoints(row, from, Number(row.slice(at, from - 1)));
    const text = row.slice(from, at);
    return type === "string" ? text : type === "boolean" ? text === "true" : Number(text);
  });
}

function afterCodePoints(text: string, from: number, count: number): number {
  let at = from;
  for (let i = 0; i < count; i++) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return at;
}
