import { type Aggregate, canBeEmpty, defineAggregate, requireInput } from "../aggregate.ts";
import { sumDecimals } from "../decimal-sum.ts";
import type { Node } from "../expression.ts";
import type { NumberExpression } from "../expressions/typed.ts";
import { addIntegers, exactSumSql, type Integer } from "../integer.ts";
import type { Where } from "./count.ts";

export interface Scale {
  /** Digits after the point, 0 to 15: the numbers are decimals, and added exactly. */
  readonly scale?: number;
}

/**
 * The sum of a number; null where there is nothing to add. Of integers: exact at any size. Of floats: in doubles,
 * each layer in its own order; for n values the two differ by at most 2(n − 1)·2⁻⁵³·Σ|x| (Higham, "Accuracy and
 * Stability of Numerical Algorithms", 4.2). Of floats with a `scale`: see `decimal-sum.ts`.
 */
export function sum(input: NumberExpression, options: Where & Scale = {}): Aggregate {
  const { node } = input;
  requireInput("sum", node, ["integer", "number"]);
  const where = options.where?.node;
  if (options.scale !== undefined) return sumDecimals(node, where, options.scale);
  return sumOf(node, where, canBeEmpty(node, where));
}

function sumOf(node: Node, where: Node | undefined, nullable: boolean): Aggregate {
  const zero = nullable ? null : 0;
  const isInteger = node.type === "integer";
  const plus = (a: string, b: string) => (isInteger ? `addIntegers(${a}, ${b})` : `${a} + ${b}`);
  return defineAggregate({
    kind: "sum",
    input: node,
    where,
    state: [{ name: "sum", type: isInteger ? "integer" : "float", zero }],
    value: { type: isInteger ? "integer" : "number", nullable },
    ...(nullable ? {} : { sparse: () => sumOf(node, where, true) }),
    ...(isInteger ? {} : { approximation: floatSumBound }),
    add: ([s = ""], x) =>
      nullable ? `${s} = ${s} === null ? ${x} : ${plus(s, x)};` : `${s} = ${plus(s, x)};`,
    sql: (x, filter) => [isInteger ? exactSumSql(x, filter) : `sum(${x})${filter}`],
    ...(isInteger ? { mergeSql: ([s = ""]) => [exactSumSql(s, "")] } : {}),
    merge(a, i, b, j) {
      a[i] = mergeSums(a[i] as Integer | null, b[j] as Integer | null, isInteger);
    },
    present: (cells, i) => cells[i] as Integer | null,
    presentSql: (columns, i) => (isInteger ? `CAST(${columns[i]} AS HUGEINT)` : (columns[i] ?? "")),
  });
}

export const floatSumBound = "float sum: off by at most 2(n-1)·2^-53·sum(|x|)";

/** Null is the sum of nothing: the identity. */
export function mergeSums(a: Integer | null, b: Integer | null, isInteger: boolean): Integer | null {
  if (a === null) return b;
  if (b === null) return a;
  return isInteger ? addIntegers(a, b) : (a as number) + (b as number);
}
