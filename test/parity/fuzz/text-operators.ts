import type { Expression } from "../../../views/expression.ts";
import type { StringExpression } from "../../../views/expressions/typed.ts";
import type { FieldType } from "../../../views/field.ts";
import { type OperatorEntries, type OperatorEntry, strict } from "./operator-entry.ts";
import { hostIn, pathIn } from "./urls.ts";

/** Where Unicode's simple mapping is not what JavaScript makes of one code point, and no code point stays as it is. */
const lowerOf: Readonly<Record<string, string>> = { İ: "i" };
const upperOf: Readonly<Record<string, string>> = { ß: "ẞ", ᾳ: "ᾼ", ῃ: "ῌ", ῳ: "ῼ" };

/** Scripts and letters that DuckDB's tables do not map yet. */
const unmapped =
  /[\u019b\u0264\u1c89\u1c8a\ua7cb-\ua7cf\ua7d2-\ua7d5\ua7da-\ua7dc\u{10d50}-\u{10d85}\u{16ea0}-\u{16ed3}]/u;

function mapped(text: string, known: typeof lowerOf, full: (character: string) => string): string {
  return Array.from(text, (character) => {
    if (unmapped.test(character)) return character;
    const result = known[character] ?? full(character);
    return [...result].length === 1 ? result : simple(character);
  }).join("");
}

/** Of what becomes several code points: Greek with iota subscript has a title case 8 places on, others stay. */
function simple(character: string): string {
  const isSmall = /[\u1f80-\u1f87\u1f90-\u1f97\u1fa0-\u1fa7]/.test(character);
  return isSmall ? String.fromCodePoint((character.codePointAt(0) ?? 0) + 8) : character;
}

function ofText(
  result: FieldType,
  declared: (a: StringExpression) => Expression<unknown>,
  meant: (a: string) => string | number | null,
): OperatorEntry {
  return {
    signatures: [["string"]],
    result,
    declared: ([a]) => declared(a as StringExpression),
    meant: strict(([a]) => meant(a as string)),
  };
}

function ofTwo(
  declared: (a: StringExpression, b: string) => Expression<unknown>,
  meant: (a: string, b: string) => boolean,
): OperatorEntry {
  return {
    signatures: [["string", "string"]],
    result: "boolean",
    declared: ([a, b]) => declared(a as StringExpression, b as string),
    meant: strict(([a, b]) => meant(a as string, b as string)),
  };
}

function partsOf(text: string, separator: string): readonly string[] {
  const at = text.indexOf(separator);
  if (at === -1) return [text];
  return [text.slice(0, at), ...partsOf(text.slice(at + separator.length), separator)];
}

export const textOperators: OperatorEntries = {
  lower: ofText(
    "string",
    (a) => a.lower(),
    (a) => mapped(a, lowerOf, (character) => character.toLowerCase()),
  ),
  upper: ofText(
    "string",
    (a) => a.upper(),
    (a) => mapped(a, upperOf, (character) => character.toUpperCase()),
  ),
  length: ofText(
    "integer",
    (a) => a.length(),
    (a) => [...a].length,
  ),
  trim: ofText(
    "string",
    (a) => a.trim(),
    (a) => a.replace(/^\s+/, "").replace(/\s+$/, ""),
  ),
  host: ofText("string", (a) => a.host(), hostIn),
  path: ofText("string", (a) => a.path(), pathIn),
  startsWith: ofTwo(
    (a, b) => a.startsWith(b),
    (a, b) => a.slice(0, b.length) === b,
  ),
  endsWith: ofTwo(
    (a, b) => a.endsWith(b),
    (a, b) => b === "" || a.slice(-b.length) === b,
  ),
  contains: ofTwo(
    (a, b) => a.contains(b),
    (a, b) => a.indexOf(b) !== -1,
  ),
  concat: {
    signatures: [
      ["string", "string"],
      ["string", "string", "string"],
    ],
    result: "string",
    declared: ([a, ...others]) => (a as StringExpression).concat(...(others as string[])),
    meant: strict((args) => args.join("")),
  },
  part: {
    signatures: [["string", ["/", "a", ".", "\0", "😀", "://"], [1, 2, 3, -1, -2, 2 ** 53 - 1]]],
    result: "string",
    declared: ([a, separator, n]) => (a as StringExpression).part(separator as string, n as number),
    meant: strict(([a, separator, n]) => {
      const parts = partsOf(a as string, separator as string);
      const place = n as number;
      return parts[place > 0 ? place - 1 : parts.length + place] ?? null;
    }),
  },
};
