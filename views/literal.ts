import { TidemarkError } from "./errors.ts";
import type { Node, Scalar } from "./expression.ts";
import type { FieldType } from "./field.ts";
import { maxTime, minTime, parseTime } from "./time.ts";

/** A constant of the type that it is compared with: a whole number next to an integer is an integer. */
export function literalNode(value: unknown, beside: FieldType): Node {
  const type = literalType(value, beside);
  if (type === undefined) {
    const expected = beside === "time" ? "Date or RFC 3339" : beside === "integer" ? "number" : beside;
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `${JSON.stringify(value) ?? String(value)} can't stand beside a ${beside}: give a finite ${expected}`,
    );
  }
  const scalar = type === "time" ? timeOf(value) : (value as Scalar);
  return Object.freeze({ kind: "literal", value: scalar, type, nullable: false });
}

/** A constant that stands for itself: `true`, `"late"`, `0`. */
export function constantNode(value: unknown): Node {
  switch (typeof value) {
    case "number":
      return literalNode(value, "integer");
    case "boolean":
      return literalNode(value, "boolean");
    default:
      return literalNode(value, value instanceof Date ? "time" : "string");
  }
}

export function nullNode(type: FieldType): Node {
  return Object.freeze({ kind: "literal", value: null, type, nullable: true });
}

function literalType(value: unknown, beside: FieldType): FieldType | undefined {
  if (beside === "integer" || beside === "number") {
    if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
    return beside === "integer" && Number.isSafeInteger(value) ? "integer" : "number";
  }
  if (beside === "time") return Number.isNaN(timeOf(value)) ? undefined : "time";
  if (beside === "string") return typeof value === "string" && value.isWellFormed() ? "string" : undefined;
  return typeof value === "boolean" ? "boolean" : undefined;
}

/** Milliseconds of a Date, or of a text in the forms that an event's time can have; NaN for anything else. */
function timeOf(value: unknown): number {
  if (typeof value === "string") return parseTime(value);
  const ms = value instanceof Date ? value.getTime() : Number.NaN;
  return ms >= minTime && ms <= maxTime ? ms : Number.NaN;
}
