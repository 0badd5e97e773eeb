import fc from "fast-check";
import type { Aggregate } from "../../views/aggregate.ts";
import { count } from "../../views/aggregates/count.ts";
import { countDistinct } from "../../views/aggregates/count-distinct.ts";
import { current } from "../../views/aggregates/current.ts";
import { distinct } from "../../views/aggregates/distinct.ts";
import { earliest } from "../../views/aggregates/earliest.ts";
import { histogram } from "../../views/aggregates/histogram.ts";
import { latest } from "../../views/aggregates/latest.ts";
import { max } from "../../views/aggregates/max.ts";
import { mean } from "../../views/aggregates/mean.ts";
import { min } from "../../views/aggregates/min.ts";
import { quantile } from "../../views/aggregates/quantile.ts";
import { stddev } from "../../views/aggregates/stddev.ts";
import { sum } from "../../views/aggregates/sum.ts";
import { variance } from "../../views/aggregates/variance.ts";
import { defineEvent, type FieldsOf } from "../../views/event.ts";
import { Type } from "../../views/index.ts";

/** An event type with a field of each type, required and optional. */
export const sample = defineEvent({
  name: "laws.sample.taken",
  schema: Type.Object({
    whole: Type.Integer(),
    real: Type.Number(),
    maybeWhole: Type.Optional(Type.Integer()),
    maybeReal: Type.Optional(Type.Number()),
    maybeFlag: Type.Optional(Type.Boolean()),
    text: Type.String(),
    maybeText: Type.Optional(Type.String()),
  }),
});

type Fields = FieldsOf<typeof sample>;

/** Every aggregate, over each kind of input it takes; the laws are run for each, and SQL is held against the fold. */
export const instances: Readonly<Record<string, (f: Fields) => Aggregate>> = {
  "count()": () => count(),
  "count(where)": (f) => count({ where: f.maybeFlag.eq(true) }),
  ...overNumbers("sum", sum),
  "sum(float in hundredths)": (f) => sum(f.real, { scale: 2 }),
  "sum(optional float in hundredths where)": (f) =>
    sum(f.maybeReal, { scale: 2, where: f.maybeFlag.eq(true) }),
  ...overNumbers("min", min),
  ...overTexts("min", min),
  ...overNumbers("max", max),
  ...overTexts("max", max),
  ...overNumbers("mean", mean),
  ...overNumbers("variance", variance),
  "variance(integer of population)": (f) => variance(f.whole, { of: "population" }),
  ...overNumbers("stddev", stddev),
  "stddev(float of population)": (f) => stddev(f.real, { of: "population" }),
  ...overAll("latest", latest),
  ...overAll("earliest", earliest),
  ...overAll("current", current),
  ...overTexts("countDistinct", countDistinct),
  "countDistinct(optional integer)": (f) => countDistinct(f.maybeWhole),
  "countDistinct(text in few registers)": (f) => countDistinct(f.text, { error: 0.25 }),
  ...overTexts("distinct", (f, where = {}) => distinct(f, { ...where, upTo: 4 })),
  "distinct(optional integer)": (f) => distinct(f.maybeWhole, { upTo: 3 }),
  ...overNumbers("histogram", (f, where) => histogram(f, { ...where, edges: [-1, 0, 0.5, 1e6] })),
  "histogram(float of one edge)": (f) => histogram(f.real, { edges: [0] }),
  ...overNumbers("quantile", (f, where) => quantile(f, 0.5, where)),
  "quantile(float, roughly)": (f) => quantile(f.real, 0.9, { error: 0.25 }),
};

type Over<Input> = (input: Input, options?: { readonly where?: Fields["maybeFlag"] }) => Aggregate;

function overNumbers(
  name: string,
  make: Over<Fields["whole"]>,
): Readonly<Record<string, (f: Fields) => Aggregate>> {
  return {
    [`${name}(integer)`]: (f) => make(f.whole),
    [`${name}(float)`]: (f) => make(f.real),
    [`${name}(optional integer)`]: (f) => make(f.maybeWhole),
    [`${name}(optional float)`]: (f) => make(f.maybeReal),
    [`${name}(integer where)`]: (f) => make(f.whole, { where: f.maybeFlag.eq(true) }),
    [`${name}(optional float where)`]: (f) => make(f.maybeReal, { where: f.real.gt(0) }),
  };
}

function overTexts(
  name: string,
  make: Over<Fields["text"]>,
): Readonly<Record<string, (f: Fields) => Aggregate>> {
  return {
    [`${name}(text)`]: (f) => make(f.text),
    [`${name}(optional text where)`]: (f) => make(f.maybeText, { where: f.maybeFlag.eq(true) }),
  };
}

function overAll(
  name: string,
  make: Over<Fields["text"] | Fields["whole"] | Fields["maybeFlag"]>,
): Readonly<Record<string, (f: Fields) => Aggregate>> {
  return {
    ...overNumbers(name, make),
    ...overTexts(name, make),
    [`${name}(optional boolean)`]: (f) => make(f.maybeFlag),
  };
}

/** Dyadic and small, so that sums of floats are exact in any order. */
export const dyadic = fc.integer({ min: -(2 ** 30), max: 2 ** 30 }).map((n) => n / 1024);

const text = fc.constantFrom(
  "",
  "a",
  "A",
  "b",
  "é",
  "e\u0301",
  "😀",
  "\uffff",
  "a\0",
  '"',
  "more",
  "x".repeat(40),
);

/** What the records of the sample type hold; integers of all sizes. */
export const sampleData = fc.record(
  {
    whole: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 })),
    real: dyadic,
    maybeWhole: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -2, max: 2 })),
    maybeReal: dyadic,
    maybeFlag: fc.boolean(),
    text,
    maybeText: text,
  },
  { requiredKeys: ["whole", "real", "text"] },
);
