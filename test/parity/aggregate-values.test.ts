import { type DuckDBConnection, LIST, listValue, VARCHAR } from "@duckdb/node-api";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import type { Aggregate, Value } from "../../views/aggregate.ts";
import { offset } from "../../views/cut.ts";
import { defineEvent, type Event, type FieldsOf } from "../../views/event.ts";
import { codeOf, codeSql } from "../../views/hyperloglog.ts";
import {
  count,
  countDistinct,
  defineView,
  distinct,
  earliest,
  latest,
  max,
  min,
  quantile,
  stddev,
  sum,
  Type,
  variance,
} from "../../views/index.ts";
import { bucketCodeSql, bucketOf, bucketOfCode, middleOf } from "../../views/log-linear.ts";

/** The values of aggregates against what their documentation says, computed from plain arrays. */
const sale = defineEvent({
  name: "test.sale.made",
  schema: Type.Object({ shop: Type.String(), cents: Type.Integer(), price: Type.Number() }),
});

interface Sale {
  readonly time: number;
  readonly data: { readonly shop: string; readonly cents: number; readonly price: number };
}

let duckdb: Duckdb;
let connection: DuckDBConnection;
beforeAll(async () => {
  duckdb = await Duckdb.open({ memoryLimit: "512MB", threads: 2, temporaryFolder: "" });
  connection = await duckdb.connect();
});
afterAll(() => duckdb[Symbol.asyncDispose]());

function presented(make: (f: FieldsOf<typeof sale>) => Aggregate, sales: readonly Sale[]): Value | undefined {
  const view = defineView({
    name: "values",
    from: sale,
    by: () => ({}),
    measures: (f) => ({ records: count(), m: make(f) }),
  });
  const segment = new TailSegment(view, 0, offset(0));
  const events = sales.map((each): Event => ({ id: "1", source: "s", type: sale.name, key: "k", ...each }));
  const records = events.map((_, i) => ({ offset: offset(i) }));
  compileFold(view)(segment, events, 0, records);
  const [entry] = segment.entries();
  const measure = view.measures[1];
  return entry === undefined ? undefined : measure?.aggregate.present(entry.cells, measure.firstCell);
}

const sales = fc.array(
  fc.record<Sale>({
    time: fc.integer({ min: 0, max: 3 }),
    data: fc.record({
      shop: fc.constantFrom("a", "é", "\uffff", "😀", "", "zz"),
      cents: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -100, max: 100 })),
      price: fc.integer({ min: -(10 ** 12), max: 10 ** 12 }).map((cents) => cents / 100),
    }),
  }),
  { minLength: 1, maxLength: 30 },
);

test("min and max of texts go by UTF-8 bytes", () => {
  fc.assert(
    fc.property(sales, (all) => {
      const sorted = all
        .map(({ data }) => data.shop)
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(presented((f) => min(f.shop), all)).toBe(sorted[0]);
      expect(presented((f) => max(f.shop), all)).toBe(sorted.at(-1));
    }),
  );
});

test("a sum of decimals is exact to the last digit, where a sum of floats is not", () => {
  const tenths = Array.from(
    { length: 10 },
    (): Sale => ({ time: 0, data: { shop: "", cents: 0, price: 0.1 } }),
  );
  expect(presented((f) => sum(f.price), tenths)).not.toBe(1);
  expect(presented((f) => sum(f.price, { scale: 1 }), tenths)).toBe(1);
  fc.assert(
    fc.property(sales, (all) => {
      const cents = all.reduce((total, { data }) => total + Math.round(data.price * 100), 0);
      expect(presented((f) => sum(f.price, { scale: 2 }), all)).toBe(cents / 100);
    }),
  );
});

test("a decimal is rounded to its scale half up, and what lies just below a half is not a half", async () => {
  const below = 0.49999999999999994;
  for (const [price, units] of [
    [below, 0],
    [0.5, 1],
    [-below, 0],
    [-0.5, 0],
    [-0.5000000000000001, -1],
    [2 ** 49 + 0.5, 2 ** 49 + 1],
  ] as const) {
    let made: Aggregate | undefined;
    const value = presented(
      (f) => {
        made = sum(f.price, { scale: 0 });
        return made;
      },
      [{ time: 0, data: { shop: "a", cents: 1, price } }],
    );
    expect(value).toBe(units);
    const [state = ""] = made?.sql("price", "") ?? [];
    const result = await connection.runAndReadAll(
      `SELECT CAST(${state} AS DOUBLE) FROM (SELECT CAST($1 AS DOUBLE) AS price)`,
      [price],
    );
    expect(result.getRows()).toEqual([[units]]);
  }
});

test("a number too great for its scale leaves a group without a sum, and one without a variance beyond 10^140", () => {
  const of = (price: number): Sale => ({ time: 0, data: { shop: "", cents: 0, price } });
  expect(presented((f) => sum(f.price, { scale: 2 }), [of(1), of(1e14)])).toBe(null);
  expect(presented((f) => variance(f.price), [of(1), of(-1e200)])).toBe(null);
});

test("variances of integers are exact but for the last rounding, however large the integers", () => {
  fc.assert(
    fc.property(sales, (all) => {
      const values = all.map(({ data }) => BigInt(data.cents));
      const n = BigInt(values.length);
      const total = values.reduce((a, b) => a + b, 0n);
      const deviations = values.reduce((a, b) => a + (n * b - total) ** 2n, 0n);
      const population = Number(deviations) / Number(n ** 3n);
      const near = (value: Value | undefined, expected: number) =>
        expect(Math.abs(Number(value) - expected)).toBeLessThanOrEqual(expected * 2 ** -50);
      near(
        presented((f) => variance(f.cents, { of: "population" }), all),
        population,
      );
      near(
        presented((f) => stddev(f.cents, { of: "population" }), all),
        Math.sqrt(population),
      );
      const sample = presented((f) => variance(f.cents), all);
      if (n === 1n) expect(sample).toBe(null);
      else near(sample, Number(deviations) / Number(n ** 2n * (n - 1n)));
    }),
  );
});

test("variances of floats lie within their bound, also far from zero", () => {
  for (const middle of [0, 1e6, 1e9]) {
    const all = Array.from({ length: 1000 }, (_, i): Sale => {
      return { time: 0, data: { shop: "", cents: 0, price: middle + (i % 10) } };
    });
    const squares = all.reduce((total, { data }) => total + data.price ** 2, 0);
    const bound = 2 ** -50 * Math.sqrt(1000 * 8.25 * squares);
    const value = Number(presented((f) => variance(f.price, { of: "population" }), all));
    expect(Math.abs(value - 8.25)).toBeLessThanOrEqual(bound);
  }
});

test("latest and earliest go by event time, then by place in the log", () => {
  fc.assert(
    fc.property(sales, (all) => {
      const inOrder = all.map((each, i) => ({ ...each, i })).sort((a, b) => a.time - b.time || a.i - b.i);
      expect(presented((f) => latest(f.shop), all)).toBe(inOrder.at(-1)?.data.shop);
      expect(presented((f) => earliest(f.cents), all)).toBe((inOrder[0]?.data.cents ?? 0) + 0);
    }),
  );
});

test("distinct counts exactly up to its cap, and says nothing beyond", () => {
  fc.assert(
    fc.property(sales, (all) => {
      const { size } = new Set(all.map(({ data }) => data.shop));
      expect(presented((f) => distinct(f.shop, { upTo: 4 }), all)).toBe(size > 4 ? null : size);
      expect(presented((f) => countDistinct(f.shop), all)).toBe(size);
    }),
  );
});

test("countDistinct stays within four standard errors, from ten to a hundred thousand values", () => {
  for (const error of [0.01, 0.05]) {
    for (const values of [10, 1_000, 20_000, 100_000]) {
      const all = Array.from({ length: values }, (_, i): Sale => {
        return { time: 0, data: { shop: `shop ${i}`, cents: 0, price: 0 } };
      });
      const value = Number(presented((f) => countDistinct(f.shop, { error }), all));
      expect(Math.abs(value - values) / values).toBeLessThan(4 * error);
    }
  }
});

test("a text has one code in both layers", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "grapheme" }), { minLength: 1 }),
      fc.integer({ min: 4, max: 18 }),
      async (texts, precision) => {
        const sql = `SELECT ${codeSql(precision, "x")} FROM (SELECT unnest($1::VARCHAR[]) AS x)`;
        const result = await connection.runAndReadAll(sql, [listValue(texts)], [LIST(VARCHAR)]);
        expect(result.getRows().map(([code]) => Number(code))).toEqual(
          texts.map((text) => codeOf(precision, text)),
        );
      },
    ),
    { numRuns: 30 },
  );
});

test("quantiles are within their error of the exact ones, of any sign and size; small integers are exact", () => {
  const exact = (values: readonly number[], share: number) =>
    [...values].sort((a, b) => a - b)[Math.max(1, Math.ceil(share * values.length)) - 1] ?? Number.NaN;
  const shares = fc.constantFrom(0, 0.1, 0.5, 0.9, 1);
  fc.assert(
    fc.property(sales, shares, fc.constantFrom(0.25, 0.01, 0.0001), (all, share, error) => {
      for (const field of ["cents", "price"] as const) {
        const right = exact(
          all.map(({ data }) => data[field]),
          share,
        );
        const value = Number(presented((f) => quantile(f[field], share, { error }), all));
        expect(Math.abs(value - right)).toBeLessThanOrEqual(Math.abs(right) * error);
        if (field === "cents" && Math.abs(right) < 1 / error) expect(value).toBe(right + 0);
      }
    }),
  );
});

test("at every boundary of buckets, and one step to either side, both layers choose the same one", async () => {
  const bytes = new DataView(new ArrayBuffer(8));
  const double = (bits: bigint) => {
    bytes.setBigUint64(0, bits);
    return bytes.getFloat64(0);
  };
  for (const digits of [0, 1, 3, 6, 13]) {
    const all: number[] = [0, Number.MIN_VALUE, Number.MAX_VALUE, 2 ** -1022];
    const buckets = 2047 * 2 ** digits;
    for (let bucket = 1; bucket < buckets; bucket += Math.max(1, Math.floor(buckets / 1_000))) {
      const boundary = BigInt(bucket) << BigInt(52 - digits);
      const [before, at, after] = [double(boundary - 1n), double(boundary), double(boundary + 1n)];
      expect(bucketOf(digits, before)).toBe(bucket - 1);
      expect(bucketOf(digits, at)).toBe(bucket);
      expect(bucketOf(digits, -after)).toBe(-bucket);
      if (bucket >= 2 ** digits) {
        expect(Math.abs(middleOf(digits, bucket, false) - at) / at).toBeLessThanOrEqual(2 ** -(digits + 1));
      }
      all.push(before, at, after, -before, -at, -after);
    }
    await connection.run("CREATE OR REPLACE TEMP TABLE numbers (i INTEGER, x DOUBLE)");
    const appender = await connection.createAppender("numbers", "main", "temp");
    all.forEach((x, i) => {
      appender.appendInteger(i);
      appender.appendDouble(x);
      appender.endRow();
    });
    appender.closeSync();
    const result = await connection.runAndReadAll(
      `SELECT ${bucketCodeSql(digits, "x", false)} FROM numbers ORDER BY i`,
    );
    expect(result.getRows().map(([code]) => bucketOfCode(digits, Number(code), false))).toEqual(
      all.map((x) => bucketOf(digits, x) + 0),
    );
  }
});

test("the codes of whole numbers rise with them, name their buckets, and are the numbers themselves while these are small", async () => {
  const sizes = Array.from({ length: 53 }, (_, bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]).flat();
  const all = [...new Set([...sizes, ...sizes.map((x) => 0 - x), Number.MAX_SAFE_INTEGER])].sort(
    (a, b) => a - b,
  );
  for (const digits of [1, 6, 13]) {
    const result = await connection.runAndReadAll(
      `SELECT ${bucketCodeSql(digits, "x", true)} FROM (SELECT unnest([${all.map((x) => `${x}::BIGINT`)}]) AS x) ORDER BY x`,
    );
    const codes = result.getRows().map(([code]) => Number(code));
    expect(codes).toEqual([...codes].sort((a, b) => a - b));
    expect(codes.map((code) => bucketOfCode(digits, code, true))).toEqual(
      all.map((x) => bucketOf(digits, x) + 0),
    );
    all.forEach((x, i) => {
      if (Math.abs(x) < 2 ** (digits + 1)) expect(codes[i]).toBe(x);
    });
  }
});
