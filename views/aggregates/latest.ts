import type { AggregateOf } from "../aggregate.ts";
import { chooseByEventTime } from "../by-event-time.ts";
import type { Expression, ValueIn } from "../expression.ts";
import type { Where } from "./count.ts";

/**
 * What the record that is last by event time has; of records of one instant, the one last by partition, then by offset. Records
 * where it is null are passed over; null where there is no other. Exact.
 */
export function latest<
  I extends Expression<string> | Expression<number> | Expression<boolean> | Expression<Date>,
>(input: I, options: Where = {}): AggregateOf<ValueIn<I>> {
  return chooseByEventTime("latest", input.node, options.where?.node);
}
