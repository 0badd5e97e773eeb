import type { Value } from "../views/aggregate.ts";

/** A value as JSON has it: a whole number beyond ±(2^53 − 1) is its decimal text; so is what JSON has no number for. */
export function jsonValue(value: Value): unknown {
  if (typeof value === "bigint") return value.toString();
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
