import type { Query } from "./parameters.ts";

/** Whether each group of a query is one row of the view as it is stored, so that nothing is rolled up. */
export function isStoredRow({ view, groupBy, buckets }: Query): boolean {
  const isByDimensions = view.dimensions.every((_, i) => groupBy.includes(i));
  return isByDimensions && (view.window === undefined || buckets === view.window.window);
}
