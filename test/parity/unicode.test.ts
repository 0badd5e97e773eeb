import { afterAll, beforeAll, expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { lower, lowerText, upper, upperText } from "../../views/expressions/letter-case.ts";
import { trim } from "../../views/expressions/text.ts";

let duckdb: Duckdb;
beforeAll(async () => {
  duckdb = await Duckdb.open({ memoryLimit: "256MB", threads: 1, temporaryFolder: "" });
});
afterAll(() => duckdb[Symbol.asyncDispose]());

const surrogates = { first: 0xd800, next: 0xe000 };
const all = Array.from({ length: 0x110000 }, (_, n) => n).filter(
  (n) => n < surrogates.first || n >= surrogates.next,
);

/** What an operator's SQL makes of "é" and each code point behind it. */
async function ofEach(operator: { sql(args: readonly string[]): string }): Promise<readonly unknown[]> {
  const connection = await duckdb.connect();
  const result = await connection.runAndReadAll(
    `SELECT ${operator.sql(["'é' || chr(n)"])} FROM (SELECT CAST(range AS INTEGER) AS n FROM range(1114112))
     WHERE n NOT BETWEEN 55296 AND 57343 ORDER BY n`,
  );
  return result.getColumns()[0] ?? [];
}

/** As `toEqual`, which takes seconds for a million texts. */
function expectEqual(folded: readonly string[], queried: readonly unknown[]): void {
  expect(queried).toHaveLength(folded.length);
  const at = folded.findIndex((text, i) => text !== queried[i]);
  if (at !== -1) expect(folded[at], `code point ${all[at]?.toString(16)}`).toBe(queried[at]);
}

const characters = all.map((n) => `é${String.fromCodePoint(n)}`);

test("every code point of Unicode has one lower case and one upper case in both layers", async () => {
  expectEqual(characters.map(lowerText), await ofEach(lower));
  expectEqual(characters.map(upperText), await ofEach(upper));
});

test("the same code points are white space in both layers", async () => {
  expectEqual(
    characters.map((text) => text.trim()),
    await ofEach(trim),
  );
});

test("words keep their places: a sigma at the end is a sigma, a sharp s one letter", () => {
  expect(lowerText("ΟΔΟΣ İstanbul")).toBe("οδοσ istanbul");
  expect(upperText("straße ﬁn")).toBe("STRAẞE ﬁN");
});

test("letters of Unicode 15.1 have their counterparts, a letter whose counterpart came later stays as it is", () => {
  expect(lowerText("\u{2c2f}\u{a7d0}\u{a7d8}\u{10595}")).toBe("\u{2c5f}\u{a7d1}\u{a7d9}\u{105bc}");
  // Unicode 16 gave U+019B and U+0264 upper cases and added Garay, Unicode 17 added Beria Erfe.
  expect(upperText("\u{19b}\u{264}\u{10d70}\u{16ebb}")).toBe("\u{19b}\u{264}\u{10d70}\u{16ebb}");
  expect(lowerText("\u{1c89}\u{a7cb}\u{10d50}\u{16ea0}")).toBe("\u{1c89}\u{a7cb}\u{10d50}\u{16ea0}");
});

test("what Node knows beyond the table are letters of which one came with Unicode 16 or later", () => {
  const later =
    /^[\u{1c89}\u{1c8a}\u{a7cb}-\u{a7cf}\u{a7d2}-\u{a7d5}\u{a7da}-\u{a7dc}\u{10d40}-\u{10d8f}\u{16ea0}-\u{16edf}]$/u;
  const isOlder = (c: string, mine: string, nodes: string) =>
    mine !== nodes && [...nodes].length === 1 && !later.test(c) && !later.test(nodes);
  const wrong = all
    .map((n) => String.fromCodePoint(n))
    .filter((c) => isOlder(c, lowerText(c), c.toLowerCase()) || isOlder(c, upperText(c), c.toUpperCase()));
  expect(wrong).toEqual([]);
});
