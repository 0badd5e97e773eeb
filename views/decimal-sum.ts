import { type Aggregate, defineAggregate } from "./aggregate.ts";
import { TidemarkError } from "./errors.ts";
import type { Node } from "./expression.ts";
import { addIntegers, divideIntegers, exactSumSql, type Integer, nearestDoubleSql } from "./integer.ts";

/** Up to here a decimal's units are found without fail: see `sumDecimals`. */
const mostUnits = 2 ** 50;

/**
 * The sum of decimals with `scale` digits after the point, which JSON carries as numbers: kept in whole units of
 * 10^-scale, so exact in any order and at any size; its value is divided once, to the nearest double. A number with more
 * digits is rounded to the scale first, half up.
 *
 * The nearest double of a decimal, times 10^scale, lies within 2^-52 of the units, relatively: rounding finds them up to
 * 2^50 units. Of greater numbers the sum would be a guess: a group that holds one has no sum, its value is null.
 */
export function sumDecimals(input: Node, where: Node | undefined, scale: number): Aggregate {
  if (input.type !== "number" || !Number.isInteger(scale) || scale < 0 || scale > 15) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `sum with scale ${scale}: give a whole number from 0 to 15, and a Type.Number; sums of integers are exact without`,
    );
  }
  const perOne = 10 ** scale;
  // Adding 0.5 would round the number just below a half up to one: what is left of a double above its floor is exact.
  const unitsSql = (x: string) => {
    const product = `(${x} * CAST(${perOne} AS DOUBLE))`;
    return `(floor(${product}) + CASE WHEN ${product} - floor(${product}) >= 0.5 THEN 1 ELSE 0 END)`;
  };
  const isExactSql = (x: string) => `abs(${unitsSql(x)}) <= ${mostUnits}`;
  return defineAggregate({
    kind: "sum",
    input,
    where,
    state: [
      { name: "sum", type: "integer", zero: null, format: `decimal-${scale}` },
      { name: "beyond", type: "integer", zero: 0 },
    ],
    value: { type: "number", nullable: true },
    add: ([sum, beyond], x) => `const product = ${x} * ${perOne};
      const below = Math.floor(product);
      const units = product - below >= 0.5 ? below + 1 : below;
      if (units <= ${mostUnits} && units >= -${mostUnits}) ${sum} = ${sum} === null ? units : addIntegers(${sum}, units);
      else ${beyond} = addIntegers(${beyond}, 1);`,
    sql: (x, filter) => [
      exactSumSql(`CASE WHEN ${isExactSql(x)} THEN CAST(${unitsSql(x)} AS BIGINT) END`, filter),
      `count(CASE WHEN NOT ${isExactSql(x)} THEN 1 END)${filter}`,
    ],
    merge(a, i, b, j) {
      const [mine, other] = [a[i] as Integer | null, b[j] as Integer | null];
      a[i] = mine === null ? other : other === null ? mine : addIntegers(mine, other);
      a[i + 1] = addIntegers(a[i + 1] as Integer, b[j + 1] as Integer);
    },
    present(cells, i) {
      const sum = cells[i] as Integer | null;
      return sum === null || cells[i + 1] !== 0 ? null : divideIntegers(sum, perOne);
    },
    presentSql: (columns, i) =>
      `CASE WHEN ${columns[i + 1]} = 0 THEN ${nearestDoubleSql(columns[i] ?? "")} / CAST(${perOne} AS DOUBLE) END`,
  });
}
