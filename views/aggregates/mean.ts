import { type Aggregate, defineAggregate, requireInput } from "../aggregate.ts";
import type { NumberExpression } from "../expressions/typed.ts";
import { addIntegers, divideIntegers, exactSumSql, type Integer, nearestDoubleSql } from "../integer.ts";
import type { Where } from "./count.ts";
import { floatSumBound } from "./sum.ts";

/**
 * The arithmetic mean; null where there is nothing. The state is an exact sum and an exact count, divided when
 * presented, so that means of parts merge to the mean of the whole. Of floats the sum has the bound of `sum`.
 */
export function mean(input: NumberExpression, options: Where = {}): Aggregate {
  const { node } = input;
  requireInput("mean", node, ["integer", "number"]);
  const isInteger = node.type === "integer";
  return defineAggregate({
    kind: "mean",
    input: node,
    where: options.where?.node,
    state: [
      { name: "sum", type: isInteger ? "integer" : "float", zero: 0 },
      { name: "count", type: "integer", zero: 0 },
    ],
    value: { type: "number", nullable: true },
    ...(isInteger ? {} : { approximation: floatSumBound }),
    add: ([s, n], x) =>
      `${s} = ${isInteger ? `addIntegers(${s}, ${x})` : `${s} + ${x}`}; ${n} = addIntegers(${n}, 1);`,
    sql: (x, filter) => [
      `coalesce(${isInteger ? exactSumSql(x, filter) : `sum(${x})${filter}`}, 0)`,
      `count(${x})${filter}`,
    ],
    ...(isInteger ? { mergeSql: ([s = "", n]) => [exactSumSql(s, ""), `CAST(sum(${n}) AS BIGINT)`] } : {}),
    merge(a, i, b, j) {
      a[i] = isInteger ? addIntegers(a[i] as Integer, b[j] as Integer) : (a[i] as number) + (b[j] as number);
      a[i + 1] = addIntegers(a[i + 1] as Integer, b[j + 1] as Integer);
    },
    present: (cells, i) =>
      cells[i + 1] === 0 ? null : divideIntegers(cells[i] as Integer, cells[i + 1] as Integer),
    presentSql: (columns, i) =>
      `CASE WHEN ${columns[i + 1]} <> 0 THEN ${nearestDoubleSql(columns[i] ?? "")} / CAST(${columns[i + 1]} AS DOUBLE) END`,
  });
}
