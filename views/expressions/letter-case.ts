import { defineOperator, type Operator } from "../expression.ts";
import { lowerRuns, upperRuns } from "./case-table.ts";

function mappingOf(runs: string): ReadonlyMap<number, string> {
  const mapping = new Map<number, string>();
  for (const run of runs.trim().split(/\s+/)) {
    const [first = "", count = "", step = "", distance = ""] = run.split(",");
    for (let i = 0; i < Number.parseInt(count, 36); i++) {
      const from = Number.parseInt(first, 36) + i * Number(step);
      mapping.set(from, String.fromCodePoint(from + Number.parseInt(distance, 36)));
    }
  }
  return mapping;
}

const lowerOf = mappingOf(lowerRuns);
const upperOf = mappingOf(upperRuns);
const beyondAscii = /[^\0-\x7f]/;

function mapped(text: string, mapping: ReadonlyMap<number, string>): string {
  let result = "";
  for (const character of text) result += mapping.get(character.codePointAt(0) ?? 0) ?? character;
  return result;
}

export function lowerText(text: string): string {
  return beyondAscii.test(text) ? mapped(text, lowerOf) : text.toLowerCase();
}

export function upperText(text: string): string {
  return beyondAscii.test(text) ? mapped(text, upperOf) : text.toUpperCase();
}

export const lower: Operator = defineOperator({
  name: "lower",
  result: "string",
  nulls: "propagate",
  js: ([a], scope) => `${scope.constant(lowerText)}(${a})`,
  sql: ([a]) => `lower(${a})`,
});

export const upper: Operator = defineOperator({
  name: "upper",
  result: "string",
  nulls: "propagate",
  js: ([a], scope) => `${scope.constant(upperText)}(${a})`,
  sql: ([a]) => `upper(${a})`,
});
