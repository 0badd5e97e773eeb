import { type Aggregate, defineAggregate } from "../aggregate.ts";
import type { BooleanExpression } from "../expressions/typed.ts";
import { addIntegers, type Integer } from "../integer.ts";

export interface Where {
  /** Only records for which this is true; false and null are left out, as SQL's FILTER does. */
  readonly where?: BooleanExpression;
}

/** How many records. 0 where there are none. Exact. */
export function count(options: Where = {}): Aggregate {
  return defineAggregate({
    kind: "count",
    input: undefined,
    where: options.where?.node,
    state: [{ name: "count", type: "integer", zero: 0 }],
    value: { type: "integer", nullable: false },
    add: ([n]) => `${n} = addIntegers(${n}, 1);`,
    sql: (_input, filter) => [`count(*)${filter}`],
    mergeSql: ([n]) => [`CAST(sum(${n}) AS BIGINT)`],
    merge(a, i, b, j) {
      a[i] = addIntegers(a[i] as Integer, b[j] as Integer);
    },
    present: (cells, i) => cells[i] as Integer,
    presentSql: (columns, i) => columns[i] ?? "",
  });
}
