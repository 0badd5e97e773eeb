import { type Aggregate, defineAggregate, requireInput } from "../aggregate.ts";
import type { NumberExpression } from "../expressions/typed.ts";
import { floatMoments, integerMoments } from "../moments.ts";
import type { Where } from "./count.ts";
import type { Of } from "./variance.ts";

/** The standard deviation; null where it is not defined: of nothing, and of a sample of one. See `moments.ts`. */
export function stddev(input: NumberExpression, options: Where & Of = {}): Aggregate {
  requireInput("stddev", input.node, ["integer", "number"]);
  const moments = input.node.type === "integer" ? integerMoments : floatMoments;
  const isSample = options.of !== "population";
  const { state, add, sql, merge, noise, approximation, varianceSql } = moments;
  return defineAggregate({
    ...{ kind: "stddev", input: input.node, where: options.where?.node, state, add, sql, merge },
    ...(noise === undefined ? {} : { noise }),
    ...(approximation === undefined ? {} : { approximation }),
    value: { type: "number", nullable: true },
    shown: isSample ? "sample" : "population",
    present(cells, i) {
      const variance = moments.variance(cells, i, isSample);
      return variance === null ? null : Math.sqrt(variance);
    },
    ...(varianceSql && { presentSql: (columns, i) => `sqrt(${varianceSql(columns, i, isSample)})` }),
  });
}
