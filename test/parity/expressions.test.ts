import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineEvent, type FieldsOf } from "../../views/event.ts";
import { describeNode, type Expression, type Node, nodeToSql } from "../../views/expression.ts";
import { when } from "../../views/expressions/cases.ts";
import { fieldExpressions } from "../../views/expressions/fields.ts";
import { eventTime } from "../../views/expressions/time-expression.ts";
import type {
  BooleanExpression,
  NumberExpression,
  StringExpression,
  TimeExpression,
} from "../../views/expressions/typed.ts";
import { Type } from "../../views/index.ts";
import { maxTime, minTime } from "../../views/time.ts";
import { DuckdbHere } from "../duckdb-here.ts";
import { type Row, valuesByFold, valuesBySql, writeRows } from "./both-layers.ts";

const sample = defineEvent({
  name: "parity.sample.taken",
  schema: Type.Object({
    text: Type.String(),
    maybeText: Type.Optional(Type.String()),
    url: Type.String(),
    whole: Type.Integer(),
    maybeWhole: Type.Optional(Type.Integer()),
    real: Type.Number(),
    maybeReal: Type.Optional(Type.Number()),
    flag: Type.Boolean(),
    maybeFlag: Type.Optional(Type.Boolean()),
    at: Type.Time(),
    maybe: Type.Optional(Type.Object({ at: Type.Time(), deep: Type.Object({ text: Type.String() }) })),
    sure: Type.Object({ whole: Type.Integer(), maybeFlag: Type.Optional(Type.Boolean()) }),
  }),
});
const f: FieldsOf<typeof sample> = fieldExpressions("sample", sample.fields);

const big = Number.MAX_SAFE_INTEGER;
const nastyTexts = [
  ...[
    "",
    " ",
    "a",
    "A",
    "ab",
    "aXb",
    "a,b,,c",
    ",",
    "\0",
    "a\0b",
    "\t a \n",
    "\u00a0\ufeff\u0085x\u3000",
    "\n",
  ],
  ...["😀", "\ufffd", "\uffff", "\ue000", "a\u{10ffff}", "\ud7ff", "e\u0301", "é", "👩‍👩‍👧", "😀😀b"],
  ...["ΑΣ", "ς", "straße", "ẞ", "İI", "ıi", "ﬀ", "Ǆǅǆ", "ÀÉÎ", "ᏸᏰ", "K", "Ω"],
  ...["0", "-0", "7", "+7", "-12", "007", "9007199254740991", "9007199254740992", "-9007199254740993"],
  ...["99999999999999999999999999", "1e3", "1_000", " 7", "7\n", "0x1f", "1.5", "٣", "true", "false", "null"],
  ...["'", "\\", "%", "_it", '"', "$1", "[]", "http://", "//x", "toString"],
];
const nastyUrls = [
  ...[
    "https://Example.COM/a/b?x=1#y",
    "http://a",
    "http://a/",
    "http://a?x",
    "http://a#x",
    "https://a:8080/p",
  ],
  ...["ftp://user:pw@Host.example/p?q", "http://u@v@w/p", "http://[::1]:80/x", "http://[zz]/", "http://a:b/"],
  ...[
    "file:///etc/x",
    "mailto:a@b",
    "//a/b",
    "/a/b",
    "a/b",
    "",
    "?x",
    "http:/a",
    "1http://a",
    "a+b-c.d://É😀/ü\n/\0",
  ],
  ...[
    "http://a\n/b",
    "HTTP://a//b//?",
    "http://a\0b/c",
    "http://:80/",
    "x http://a/b",
    "http://a/b\nhttp://c/d",
  ],
];
const texts = fc.oneof(fc.constantFrom(...nastyTexts), fc.string({ unit: "binary", maxLength: 6 }));
const urls = fc.oneof(
  fc.constantFrom(...nastyUrls),
  fc
    .array(fc.constantFrom("http", "://", "A.b", "@", ":", "80", "/", "?", "#", "[", "]", "x"), {
      maxLength: 9,
    })
    .map((parts) => parts.join("")),
);
const wholes = fc.oneof(
  fc.integer({ min: -12, max: 12 }),
  fc.constantFrom(-0, big, -big, big - 1, 1 - big, 2 ** 52, 94906265, 94906266, 94906267, -94906267, 6700417),
  fc.constantFrom(...[minTime, maxTime].flatMap((ms) => [ms - 1, ms, ms + 1]), 985482000000, 985481999999),
  fc.maxSafeInteger(),
);
const reals = fc.oneof(
  fc.constantFrom(
    -0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    0.49999999999999994,
    5e-324,
    -5e-324,
    1.7976931348623157e308,
  ),
  fc.constantFrom(
    -1.7976931348623157e308,
    2 ** 53,
    2 ** 53 - 1,
    -(2 ** 53),
    4503599627370495.5,
    0.1,
    1 / 3,
    1e21,
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);
const times = fc.oneof(
  fc.constantFrom(minTime, maxTime, -1, 0, 985482000000),
  fc.integer({ min: minTime, max: maxTime }),
);
const samples = fc.record(
  {
    ...{ text: texts, maybeText: texts, url: urls, whole: wholes, maybeWhole: wholes, real: reals },
    ...{ maybeReal: reals, flag: fc.boolean(), maybeFlag: fc.boolean() },
    at: times,
    maybe: fc.record({ at: times, deep: fc.record({ text: texts }) }),
    sure: fc.record({ whole: wholes, maybeFlag: fc.boolean() }, { requiredKeys: ["whole"] }),
  },
  { requiredKeys: ["text", "url", "whole", "real", "flag", "at", "sure"] },
);

const { text, whole, number, flag, time } = fc.letrec((tie) => {
  const literal = <T>(values: fc.Arbitrary<T>, tree: fc.Arbitrary<Expression<T>>) => fc.oneof(values, tree);
  const text = tie("text") as fc.Arbitrary<StringExpression>;
  const whole = tie("whole") as fc.Arbitrary<NumberExpression>;
  const number = tie("number") as fc.Arbitrary<NumberExpression>;
  const flag = tie("flag") as fc.Arbitrary<BooleanExpression>;
  const time = tie("time") as fc.Arbitrary<TimeExpression>;
  const texts_ = literal(texts, text);
  const wholes_ = literal(wholes, whole);
  const numbers_ = literal(fc.oneof(reals, wholes), fc.oneof(number, whole));
  const instants = times.map((ms) => new Date(ms));
  const times_ = fc.oneof(
    instants,
    instants.map((at) => at.toISOString()),
    time,
  );
  const flags_ = literal(fc.boolean(), flag);
  const divisors = fc.constantFrom(1, 2, 3, 10, 60_000, 2 ** 52 - 1);
  const call = <A extends unknown[], R>(
    make: (...args: A) => R,
    ...args: { [K in keyof A]: fc.Arbitrary<A[K]> }
  ) => fc.tuple(...args).map((values) => make(...(values as A)));
  const inOrder = <T>(a: fc.Arbitrary<never>, b: fc.Arbitrary<T>): fc.Arbitrary<BooleanExpression> =>
    fc
      .tuple(a, b, b, fc.constantFrom("gt", "gte", "lt", "lte", "eq", "ne", "between"))
      .map(
        ([x, y, z, name]) =>
          (x as Record<string, (...args: unknown[]) => BooleanExpression>)[name]?.(y, z) as BooleanExpression,
      );
  return {
    text: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(f.text, f.maybeText, f.url, f.maybe.deep.text),
      call((a) => a.date("month", "Asia/Tokyo"), time),
      call((a) => a.lower(), text),
      call((a) => a.upper(), text),
      call((a) => a.trim(), text),
      call((a, b, c) => a.concat(b, c), text, texts_, texts_),
      call(
        (a, separator, n) => a.part(separator, n),
        text,
        fc.constantFrom(",", "a", "😀", "aa", "\0", " ", "\u0301", "'"),
        fc.constantFrom(1, 2, 3, -1, -2, 99),
      ),
      call((a) => a.host(), fc.oneof(fc.constant(f.url), text)),
      call((a) => a.path(), fc.oneof(fc.constant(f.url), text)),
      call((a) => a.toText(), whole),
      call((a, unit) => a.toTime().date(unit, "Pacific/Apia"), whole, fc.constantFrom("day", "week", "year")),
      call((a) => a.toText(), flag),
      call((a, b) => a.coalesce(b), text, texts_),
      call(
        (c, a, d, b, e) => when(c, a).when(d, b).otherwise(e),
        flag,
        texts_,
        flag,
        texts_,
        fc.option(texts_),
      ),
    ),
    whole: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(f.whole, f.maybeWhole, f.sure.whole),
      call((a) => a.toInteger(), time),
      call((a, b) => a.plus(b), whole, wholes_),
      call((a, b) => a.minus(b), whole, wholes_),
      call((a, b) => a.times(b), whole, wholes_),
      call((a, n) => a.quotient(n), whole, divisors),
      call((a, n) => a.remainder(n), whole, divisors),
      call((a) => a.negated(), whole),
      call((a) => a.abs(), whole),
      call((a) => a.floor(), number),
      call((a) => a.ceil(), number),
      call((a) => a.round(), number),
      call((a) => a.length(), text),
      call((a) => a.toTime().toInteger(), whole),
      call((a) => a.toTime().hour("Asia/Kathmandu"), whole),
      call((a) => a.toInteger(), text),
      call((a) => a.toInteger(), flag),
      call((a, b) => a.coalesce(b), whole, wholes_),
      call((c, a, b) => when(c, a).otherwise(b), flag, wholes_, fc.option(wholes_)),
    ),
    number: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(f.real, f.maybeReal),
      call((a, b) => a.plus(b), number, numbers_),
      call((a, b) => a.minus(b), number, numbers_),
      call((a, b) => a.times(b), number, numbers_),
      call((a, b) => a.dividedBy(b), fc.oneof(number, whole), numbers_),
      call((a) => a.negated(), number),
      call((a) => a.abs(), number),
      call((a, b) => a.coalesce(b), fc.oneof(number, whole), numbers_),
      call((c, a, b) => when(c, a).otherwise(b), flag, numbers_, fc.option(numbers_)),
    ),
    time: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(f.at, f.maybe.at, eventTime()),
      call((a) => a.toTime(), whole),
      call((a, b) => a.coalesce(b), time, times_),
      call((c, a, b) => when(c, a).otherwise(b), flag, fc.oneof(instants, time), fc.option(time)),
    ),
    flag: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(f.flag, f.maybeFlag, f.sure.maybeFlag),
      inOrder(time as fc.Arbitrary<never>, times_),
      call((a, b) => a.in(b, b), time, instants),
      call((a) => a.isNull(), time),
      inOrder(text as fc.Arbitrary<never>, texts_),
      inOrder(fc.oneof(whole, number) as fc.Arbitrary<never>, numbers_),
      call((a, b) => a.eq(b), flag, flags_),
      call((a, b, c) => a.in(b, c), text, texts, texts),
      call((a, b, c) => a.in(b, c), fc.oneof(whole, number), wholes, reals),
      call((a) => a.isNull(), fc.oneof(text, number, flag)),
      call((a) => a.isNotNull(), whole),
      call((a, b) => a.startsWith(b), text, texts_),
      call((a, b) => a.endsWith(b), text, texts_),
      call((a, b) => a.contains(b), text, texts_),
      call((a, b) => a.and(b), flag, flag),
      call((a, b) => a.or(b), flag, flag),
      call((a) => a.not(), flag),
      call((a, b) => a.coalesce(b), flag, flags_),
    ),
  };
});

const rows: readonly Row[] = [
  ...nastyTexts.map((text, i) => ({
    text,
    url: nastyUrls[i % nastyUrls.length] ?? "",
    whole: i,
    real: i / 4,
    flag: true,
    at: i,
    sure: { whole: -i },
  })),
  ...fc.sample(samples, { numRuns: 500, seed: 1 }).map((row): Row => ({ ...row })),
];

let here: DuckdbHere;
beforeAll(async () => {
  here = await DuckdbHere.open(2);
  await writeRows(here.connection, join(here.root, "rows.parquet"), sample, rows);
});
afterAll(() => here[Symbol.asyncDispose]());

async function expectOneMeaning({ node }: { readonly node: Node }): Promise<void> {
  const declared = JSON.stringify(describeNode(node));
  const folded = valuesByFold(node, rows);
  const queried = await valuesBySql(here.connection, join(here.root, "rows.parquet"), node);
  const at = rows.findIndex((_row, i) => !Object.is(folded[i], queried[i]));
  if (at !== -1) expect(folded[at], `${declared} of ${JSON.stringify(rows[at])}`).toBe(queried[at]);
  if (!node.nullable) expect(folded, `${declared} is never null`).not.toContain(null);
  for (const value of folded) {
    if (typeof value !== "number") continue;
    if (
      !(
        Number.isFinite(value) &&
        !Object.is(value, -0) &&
        (node.type === "number" || Number.isSafeInteger(value))
      )
    )
      expect.fail(`${declared} gives ${value}`);
  }
}

test.each([
  ["texts", text, 300],
  ["integers", whole, 300],
  ["floats", number, 300],
  ["times", time, 100],
  ["conditions", flag, 300],
] as const)(
  "expressions that give %s mean the same in SQL and in the fold",
  async (_what, trees, numRuns) => {
    await fc.assert(fc.asyncProperty(trees as fc.Arbitrary<Expression<unknown>>, expectOneMeaning), {
      numRuns,
    });
  },
);

test("the SQL of an expression grows with the expression, not with a power of its depth", () => {
  const step = (number: NumberExpression) =>
    when(number.round().plus(1).minus(2).times(3).quotient(7).remainder(5).negated().abs().gt(1), 0.25)
      .otherwise(0.5)
      .dividedBy(3)
      .coalesce(0)
      .floor()
      .toText()
      .lower()
      .upper()
      .trim()
      .concat("x")
      .part(",", 1)
      .path()
      .host()
      .startsWith("x")
      .not()
      .toInteger();
  const lengthAt = (depth: number) => {
    let deep: NumberExpression = f.whole;
    for (let i = 0; i < depth; i++) deep = step(deep);
    return nodeToSql(deep.node, { values: [] }).length;
  };
  expect(lengthAt(8) / lengthAt(4)).toBeLessThan(2.1);
});
