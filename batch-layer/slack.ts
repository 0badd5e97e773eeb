import type { Measure } from "../views/aggregate.ts";
import { floatSumBound } from "../views/aggregates/sum.ts";
import type { StateColumn } from "../views/state.ts";

/**
 * Float sums depend on the order of adding. Beside each one stands its slack: how far two sums of the same n values may
 * lie apart, whatever the orders they were added in: 2(n − 1)·2⁻⁵³·Σ|x| (see `views/aggregates/sum.ts`). What lies
 * within is noise, what lies beyond is drift. Every other column of every aggregate is compared exactly.
 */

/** The name of the slack column of a measure's state column; undefined where the state is exact. */
export function slackColumn({ name, aggregate }: Measure, state: StateColumn): string | undefined {
  return state.type === "float" && aggregate.approximation === floatSumBound
    ? `_slack.${name}.${state.name}`
    : undefined;
}

/** 1 + 10⁻⁶ takes in the terms of higher order and the rounding of Σ|x| itself, for n up to 2³². */
export function slackSql(input: string, filter: string): string {
  const twiceUnit = 2 ** -52 * (1 + 1e-6);
  return `coalesce(greatest(count(${input})${filter} - 1, 0) * sum(abs(${input}))${filter} * CAST(${twiceUnit} AS DOUBLE), 0)`;
}
