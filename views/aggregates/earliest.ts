import type { Aggregate } from "../aggregate.ts";
import { chooseByEventTime } from "../by-event-time.ts";
import type { Expression } from "../expression.ts";
import type { Where } from "./count.ts";

/**
 * What the record that is first by event time has; of records of one instant, the one first by partition, then by offset. Records
 * where it is null are passed over; null where there is no other. Exact.
 */
export function earliest(
  input: Expression<string> | Expression<number> | Expression<boolean> | Expression<Date>,
  options: Where = {},
): Aggregate {
  return chooseByEventTime("earliest", input.node, options.where?.node);
}
