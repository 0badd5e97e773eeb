import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Scalar } from "../../views/expression.ts";
import { compareKeys, encodeKey, groupKey, groupKeyToJs, maxKeyBytes, storageKey } from "../../views/key.ts";
import type { Dimension } from "../../views/view.ts";

const text = fc.oneof(
  fc.constantFrom("", "a", "ab", "a\0", "a\0b", "é", "e\u0301", "😀", "\uffff", "~", "1:a", "-"),
  fc.string({ unit: "grapheme", maxLength: 5 }),
);
const values = fc.tuple(
  fc.option(text, { nil: null }),
  fc.option(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 })), { nil: null }),
  fc.option(fc.boolean(), { nil: null }),
);

const dimensions = (["string", "integer", "boolean"] as const).map((type) => ({
  name: type,
  type,
  nullable: true,
  node: { kind: "field", name: type, type, nullable: true },
})) satisfies Dimension[];

const isSame = (a: readonly Scalar[], b: readonly Scalar[]) => a.every((value, i) => value === b[i]);

test("group keys and storage keys are equal exactly if the values are", () => {
  fc.assert(
    fc.property(values, values, (a, b) => {
      expect(groupKey(dimensions, a) === groupKey(dimensions, b)).toBe(isSame(a, b));
      expect(compareKeys(storageKey(a), storageKey(b)) === 0).toBe(isSame(a, b));
    }),
    { numRuns: 2_000 },
  );
});

test("the group key of texts that are never null tells them apart, whatever they hold, and the fold makes the same one", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", ":", "1", "~", ";"), maxLength: 4 });
  const required = (["string", "integer", "string"] as const).map((type) => ({ type, nullable: false }));
  for (const columns of [[0, 1, 2], [0, 2], [1, 2], [2, 1], [0]].map((places) =>
    places.map((i) => required[i] as (typeof required)[number]),
  )) {
    const names = columns.map((_column, i) => `values[${i}]`);
    const keyOf = new Function("values", `return ${groupKeyToJs(columns, names)};`);
    const list = fc.tuple(...columns.map(({ type }) => (type === "string" ? letters : fc.integer())));
    fc.assert(
      fc.property(list, list, (a, b) => {
        expect(groupKey(columns, a) === groupKey(columns, b)).toBe(isSame(a, b));
        expect(keyOf(a)).toBe(groupKey(columns, a));
      }),
    );
  }
});

test("storage keys sort as DuckDB sorts the values, nulls first", async () => {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run("CREATE TABLE t (i INTEGER, s VARCHAR, n BIGINT, b BOOLEAN)");
  const rows = fc.sample(values, { numRuns: 300, seed: 7 });
  for (const [i, [s, n, b]] of rows.entries()) {
    await connection.run("INSERT INTO t VALUES ($1, $2, $3, $4)", [i, s, n === null ? null : BigInt(n), b]);
  }
  const sorted = await connection.runAndReadAll(
    "SELECT i FROM t ORDER BY s NULLS FIRST, n NULLS FIRST, b NULLS FIRST, i",
  );
  const byKey = rows
    .map((row, i) => ({ key: storageKey(row), i }))
    .sort((a, b) => compareKeys(a.key, b.key) || a.i - b.i)
    .map(({ i }) => i);
  expect(byKey).toEqual(sorted.getRows().map(([i]) => i));
  connection.closeSync();
});

test("over-long keys are shortened to the bound and stay apart", () => {
  const a = storageKey([`${"x".repeat(5_000)}a`]);
  const b = storageKey([`${"x".repeat(5_000)}b`]);
  expect(a.length).toBe(maxKeyBytes);
  expect(compareKeys(a, b)).not.toBe(0);
  expect(encodeKey(["x"]).length).toBeLessThan(maxKeyBytes);
});
