import { TidemarkError } from "../errors.ts";
import type { Node, Operator } from "../expression.ts";
import { literalNode } from "../literal.ts";
import type { DateUnit } from "./time.ts";

// What may be said to a method besides expressions: all of these throw TIDEMARK_DECLARATION_TYPE.

export function requireInteger(node: Node, what: string): void {
  if (node.type === "integer") return;
  throw refused(`${what} is for integers: make one of the float first with round(), floor() or ceil()`);
}

/** That of whole division; twice n, which a remainder comes up to on the way, must be exact. */
export function divisor(operator: Operator, n: number): Node {
  if (Number.isSafeInteger(2 * n) && n >= 1) return literalNode(n, "integer");
  throw refused(`${operator.name}(${n}): give a whole number from 1 to 2^52 − 1`);
}

/** Which part of a text. */
export function place(separator: string, n: number): readonly [separator: Node, n: Node] {
  if (separator !== "" && Number.isSafeInteger(n) && n !== 0)
    return [literalNode(separator, "string"), literalNode(n, "integer")];
  throw refused(
    `part(${JSON.stringify(separator)}, ${n}): give a separator of at least one character, and a place from 1 or from -1 backwards`,
  );
}

const dateUnits: ReadonlySet<string> = new Set<DateUnit>(["day", "week", "month", "year"]);

export function unitOfDate(unit: DateUnit): DateUnit {
  if (dateUnits.has(unit)) return unit;
  throw refused(`date("${unit}"): the unit is one of ${[...dateUnits].join(", ")}`);
}

function refused(why: string): TidemarkError {
  return new TidemarkError("TIDEMARK_DECLARATION_TYPE", why);
}
