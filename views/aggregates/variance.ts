import { type Aggregate, defineAggregate, requireInput } from "../aggregate.ts";
import type { NumberExpression } from "../expressions/typed.ts";
import { floatMoments, integerMoments } from "../moments.ts";
import type { Where } from "./count.ts";

export interface Of {
  /** `sample` (default) divides by n − 1, as SQL's `variance` does; `population` by n. */
  readonly of?: "sample" | "population";
}

/** The variance; null where it is not defined: of nothing, and of a sample of one. See `moments.ts`. */
export function variance(input: NumberExpression, options: Where & Of = {}): Aggregate {
  requireInput("variance", input.node, ["integer", "number"]);
  const moments = input.node.type === "integer" ? integerMoments : floatMoments;
  const isSample = options.of !== "population";
  const { state, add, sql, merge, noise, approximation, varianceSql } = moments;
  return defineAggregate({
    ...{ kind: "variance", input: input.node, where: options.where?.node, state, add, sql, merge },
    ...(noise === undefined ? {} : { noise }),
    ...(approximation === undefined ? {} : { approximation }),
    value: { type: "number", nullable: true },
    shown: isSample ? "sample" : "population",
    present: (cells, i) => moments.variance(cells, i, isSample),
    ...(varianceSql && { presentSql: (columns, i) => varianceSql(columns, i, isSample) }),
  });
}
