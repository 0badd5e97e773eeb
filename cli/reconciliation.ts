import type { Reconciliation } from "../infra/generations/generations.ts";
import { formatCount } from "./quantity.ts";

/** `zero drift over 12,345 keys`, or what else came out when a generation was held against what had been served. */
export function describeReconciliation(reconciliation: Reconciliation): string {
  if (reconciliation.kind === "not-compared") return `not compared: ${reconciliation.reason}`;
  const { keys, differing, largestDrift } = reconciliation;
  return differing === 0
    ? `zero drift over ${formatCount(keys)} keys`
    : `DRIFT in ${formatCount(differing)} of ${formatCount(keys)} keys, by up to ${largestDrift}`;
}
