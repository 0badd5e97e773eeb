import type { Aggregate } from "./aggregate.ts";
import { floatSumBound } from "./aggregates/sum.ts";
import type { View } from "./view.ts";

/**
 * Whether states depend on the order in which floats are added, so that the merge of two is not the state of the whole to the
 * last bit. Of all other aggregates it is: their states are sums of whole numbers, sets, or one of what was added.
 */
export function dependsOnOrder({
  noise,
  approximation,
}: Pick<Aggregate, "noise" | "approximation">): boolean {
  return noise !== undefined || approximation === floatSumBound;
}

/** The first measure of the view whose states depend on the order of adding; sessions have none. */
export function measureByOrder({ measures }: View): string | undefined {
  return measures.find(({ aggregate }) => dependsOnOrder(aggregate))?.name;
}
