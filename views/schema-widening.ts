import type { JsonSchema } from "./recorded-type.ts";
import { requiredColumns } from "./schema.ts";

/** Whether the later of two schemas of a value takes everything that the earlier one took, as far as can be seen. */
export type ValueWidening =
  | { readonly kind: "same" }
  | { readonly kind: "wider"; readonly what: string }
  | { readonly kind: "narrower"; readonly reason: string };

/** Keywords that say nothing about which values are taken. `default` is what a missing field is read as. */
const annotations = new Set(["title", "description", "examples", "default", "deprecated", "$comment", "$id"]);

const lower = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
const upper = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/** Keywords of which each rules values out by itself, so that without it more are taken. */
const mayVanish = new Set([
  ...lower,
  ...upper,
  "pattern",
  "format",
  "multipleOf",
  "uniqueItems",
  "enum",
  "const",
]);

/**
 * Compares keyword by keyword, `type` left out but for objects and arrays: what lies within those can't change. Bounds
 * may widen, lists of values may grow, and what rules values out may vanish; all else must be the same.
 */
export function valueWidening(was: JsonSchema, is: JsonSchema): ValueWidening {
  const wider: string[] = [];
  const narrower: string[] = [];
  const keywords = new Set([...Object.keys(was), ...Object.keys(is)]);
  for (const keyword of keywords) {
    const [before, now] = [was[keyword], is[keyword]];
    if (keyword === "type" || annotations.has(keyword) || isSameJson(before, now)) continue;
    const words = `${keyword} is ${wordsOf(now)}, was ${wordsOf(before)}`;
    (isWider(keyword, before, now, was) ? wider : narrower).push(words);
  }
  if (narrower.length > 0) {
    return { kind: "narrower", reason: `${narrower.join(", ")}; it must take every value that it took` };
  }
  return wider.length > 0 ? { kind: "wider", what: wider.join(", ") } : { kind: "same" };
}

function isWider(keyword: string, before: unknown, now: unknown, was: JsonSchema): boolean {
  if (now === undefined)
    return mayVanish.has(keyword) || (keyword === "additionalProperties" && before === false);
  if (keyword === "additionalProperties") return before === false && now === true;
  if (keyword === "enum" && Array.isArray(now)) {
    const taken = before === undefined && "const" in was ? [was.const] : before;
    return Array.isArray(taken) && taken.every((value) => now.some((other) => isSameJson(value, other)));
  }
  if (keyword === requiredColumns && Array.isArray(before) && Array.isArray(now))
    return now.every((column) => before.includes(column));
  if (typeof before !== "number" || typeof now !== "number") return false;
  return (lower.includes(keyword) && now <= before) || (upper.includes(keyword) && now >= before);
}

function wordsOf(value: unknown): string {
  return value === undefined ? "not there" : JSON.stringify(value);
}

/** The order of an object's members does not count. */
export function isSameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [mine, theirs] = [definedMembers(a), definedMembers(b)];
  return (
    mine.length === theirs.length &&
    mine.every(([name, value]) => isSameJson(value, (b as Readonly<Record<string, unknown>>)[name]))
  );
}

function definedMembers(value: object): readonly [string, unknown][] {
  return Object.entries(value).filter(([, member]) => member !== undefined);
}
