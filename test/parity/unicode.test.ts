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
