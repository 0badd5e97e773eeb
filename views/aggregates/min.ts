import { type Aggregate, defineAggregate } from "../aggregate.ts";
import type { NumberExpression } from "../expressions/typed.ts";
import type { Where } from "./count.ts";

/** The smallest number; null where there is none. Exact. */
export function min(input: NumberExpression, options: Where = {}): Aggregate {
  const type = input.node.type === "integer" ? "integer" : "number";
  return defineAggregate({
    kind: "min",
    input: input.node,
    where: options.where?.node,
    state: [{ name: "min", type: type === "integer" ? "integer" : "float", zero: null }],
    value: { type, nullable: true },
    add: ([m], x) => `if (${m} === null || ${x} < ${m}) ${m} = ${x};`,
    sql: (x, filter) => [`min(${x})${filter}`],
    merge(a, i, b, j) {
      const mine = a[i] as number | null;
      const other = b[j] as number | null;
      if (other !== null && (mine === null || other < mine)) a[i] = other;
    },
    present: (cells, i) => cells[i] as number | null,
  });
}
