import type { Aggregate, Value } from "../../../views/aggregate.ts";
import { count, type Where } from "../../../views/aggregates/count.ts";
import { countDistinct } from "../../../views/aggregates/count-distinct.ts";
import { current } from "../../../views/aggregates/current.ts";
import { distinct } from "../../../views/aggregates/distinct.ts";
import { earliest } from "../../../views/aggregates/earliest.ts";
import { histogram } from "../../../views/aggregates/histogram.ts";
import { latest } from "../../../views/aggregates/latest.ts";
import { max } from "../../../views/aggregates/max.ts";
import { mean } from "../../../views/aggregates/mean.ts";
import { min } from "../../../views/aggregates/min.ts";
import { quantile } from "../../../views/aggregates/quantile.ts";
import { stddev } from "../../../views/aggregates/stddev.ts";
import { sum } from "../../../views/aggregates/sum.ts";
import { variance } from "../../../views/aggregates/variance.ts";
import type { Expression } from "../../../views/expression.ts";
import type { NumberExpression, StringExpression } from "../../../views/expressions/typed.ts";
import type { FieldType } from "../../../views/field.ts";
import { decimalOf, unitsOf } from "./decimals.ts";
import { spreadOf } from "./spread.ts";

/** A record that a measure takes in: its input is not null, unless its entry takes that, its `where` is true. */
export interface Input {
  readonly value: string | number | boolean | null;
  readonly time: number;
  /** The place of its topic among the view's, in order of their names. */
  readonly topic: number;
  readonly partition: number;
  readonly offset: number;
  /** Its place in the record's list. */
  readonly element: number;
}

/**
 * One aggregate over one type of input: how it is declared, and what it means by its documentation. `meant` must not call
 * anything under `views/`. An aggregate with parameters has an entry for each setting that is worth a case.
 */
export interface AggregateEntry {
  /** Undefined: looks at no field. */
  readonly input?: FieldType;
  readonly takesNull?: true;
  declared(input: Expression<unknown>, where: Where): Aggregate;
  meant(inputs: readonly Input[]): Value;
  /** How far a value may lie from the meant one; infinite where there is nothing to compare. Absent: exact. */
  slack?(inputs: readonly Input[]): number;
}

const numbers = (inputs: readonly Input[]) => inputs.map(({ value }) => value as number);

function exactTotal(inputs: readonly Input[]): bigint {
  return numbers(inputs).reduce((total, x) => total + BigInt(x), 0n);
}

/** A whole number is a `number` while it is safe. */
function whole(value: bigint): number | bigint {
  const safe = BigInt(Number.MAX_SAFE_INTEGER);
  return value <= safe && value >= -safe ? Number(value) : value;
}

const total = (inputs: readonly Input[]) => numbers(inputs).reduce((sum, x) => sum + x, 0);

/** Two sums of n doubles, whatever the order: 2(n − 1)·2⁻⁵³·Σ|x|, and a little for the rounding of that itself. */
function sumSlack(inputs: readonly Input[]): number {
  const magnitude = numbers(inputs).reduce((sum, x) => sum + Math.abs(x), 0);
  return Number.isFinite(magnitude) ? (inputs.length - 1) * 2 ** -52 * magnitude * (1 + 1e-6) : Infinity;
}

function extreme(
  input: FieldType,
  declared: typeof min,
  isBetter: (a: number, b: number) => boolean,
): AggregateEntry {
  return {
    input,
    declared: (x, where) => declared(x as NumberExpression, where),
    meant: (inputs) =>
      numbers(inputs).reduce<number | null>(
        (best, x) => (best === null || isBetter(x, best) ? x : best),
        null,
      ),
  };
}

/** Of texts, in order of UTF-8 bytes. */
function extremeText(declared: typeof min, sign: 1 | -1): AggregateEntry {
  return {
    input: "string",
    declared: (x, where) => declared(x as StringExpression, where),
    meant: (inputs) => {
      const texts = inputs.map(({ value }) => value as string);
      texts.sort((a, b) => sign * Buffer.compare(Buffer.from(a), Buffer.from(b)));
      return texts[0] ?? null;
    },
  };
}

/** Whole units are added; how many of them may be one more or less is known by the ties. */
function sumOfDecimals(scale: number): AggregateEntry {
  const units = (inputs: readonly Input[]) => numbers(inputs).map((x) => unitsOf(x, scale));
  const most = 2n ** 50n;
  return {
    input: "number",
    declared: (x, where) => sum(x as NumberExpression, { ...where, scale }),
    meant: (inputs) => {
      const all = units(inputs).map((each) => each.units);
      if (all.length === 0 || all.some((each) => each > most || each < -most)) return null;
      return decimalOf(
        all.reduce((total, each) => total + each, 0n),
        scale,
      );
    },
    slack: (inputs) => {
      const ties = units(inputs).filter(({ isTie }) => isTie).length;
      return ties === 0 ? 0 : (ties + 0.5) * 10 ** -scale;
    },
  };
}

/**
 * Of integers the variance is exact before it is shown; of floats n·variance is within u·√(n·variance·Σx²) + u²·Σx², u
 * = n·2⁻⁵⁰.
 */
function spread(
  declared: typeof variance,
  input: "integer" | "number",
  of: "sample" | "population",
): AggregateEntry {
  const freedom = of === "sample" ? 1 : 0;
  const isRoot = declared === stddev;
  const spreadIn = (inputs: readonly Input[]) =>
    input === "number" && numbers(inputs).some((x) => Math.abs(x) > 1e140)
      ? null
      : spreadOf(numbers(inputs), freedom);
  return {
    input,
    declared: (x, where) => declared(x as NumberExpression, { ...where, of }),
    meant: (inputs) => {
      const { variance } = spreadIn(inputs) ?? { variance: null };
      return variance === null || !isRoot ? variance : Math.sqrt(variance);
    },
    slack: (inputs) => {
      const n = inputs.length;
      const { variance, squares } = spreadIn(inputs) ?? { variance: 0, squares: 0 };
      const deviations = variance * (n - freedom);
      const unit = n * 2 ** -50;
      // Both terms of the bound, and what underflows.
      const off = unit * Math.sqrt(deviations * squares) + unit * unit * squares + n * 1e-322;
      const slack = variance * 2 ** -50 + (input === "number" ? off / Math.max(1, n - freedom) : 0);
      if (!isRoot) return slack;
      const root = Math.sqrt(variance);
      return (
        Math.max(Math.sqrt(variance + slack) - root, root - Math.sqrt(Math.max(0, variance - slack))) +
        root * 2 ** -51
      );
    },
  };
}

/** By event time, then topic, then partition, then offset, then place in the list. */
function byPlace(declared: typeof latest, input: FieldType): AggregateEntry {
  const sign = declared === latest ? -1 : 1;
  return {
    input,
    declared: (x, where) => declared(x as StringExpression, where),
    meant: (inputs) => {
      const inOrder = [...inputs].sort(
        (a, b) =>
          sign *
          (a.time - b.time ||
            a.topic - b.topic ||
            a.partition - b.partition ||
            a.offset - b.offset ||
            a.element - b.element),
      );
      return inOrder[0]?.value ?? null;
    },
  };
}

/** By topic, then partition, then offset, then place in the list; a null takes part. */
function byLog(input: FieldType): AggregateEntry {
  return {
    input,
    takesNull: true,
    declared: (x, where) => current(x as StringExpression, where),
    meant: (inputs) => {
      const inOrder = [...inputs].sort(
        (a, b) =>
          b.topic - a.topic || b.partition - a.partition || b.offset - a.offset || b.element - a.element,
      );
      return inOrder[0]?.value ?? null;
    },
  };
}

const different = (inputs: readonly Input[]) => new Set(inputs.map(({ value }) => value)).size;

function distinctUpTo(input: FieldType, upTo: number): AggregateEntry {
  return {
    input,
    declared: (x, where) => distinct(x as StringExpression, { ...where, upTo }),
    meant: (inputs) => (different(inputs) > upTo ? null : different(inputs)),
  };
}

/** Five standard errors and, of few values, two that share a register. That the layers agree is held by their states. */
function aboutDistinct(input: FieldType, error: number): AggregateEntry {
  return {
    input,
    declared: (x, where) => countDistinct(x as StringExpression, { ...where, error }),
    meant: different,
    slack: (inputs) => Math.max(2, 5 * error * different(inputs) + 1),
  };
}

/** `share` in hundredths, so that the nearest rank is found in whole numbers. */
function quantileOf(input: "integer" | "number", percent: number, error: number): AggregateEntry {
  const nearest = (inputs: readonly Input[]) => {
    const sorted = numbers(inputs).sort((a, b) => a - b);
    return sorted[Math.max(1, Math.ceil((percent * sorted.length) / 100)) - 1] ?? null;
  };
  return {
    input,
    declared: (x, where) => quantile(x as NumberExpression, percent / 100, { ...where, error }),
    meant: nearest,
    slack: (inputs) => {
      const size = Math.abs(nearest(inputs) ?? 0);
      if (input === "integer" && size < 1 / error) return 0;
      return size * error + 2.3e-308;
    },
  };
}

/** The same of times, whose milliseconds it is given: shown as texts. */
function ofTimes(entry: AggregateEntry): AggregateEntry {
  return {
    ...entry,
    input: "time",
    meant: (inputs) => {
      const ms = entry.meant(inputs) as number | null;
      return ms === null ? null : new Date(ms).toISOString();
    },
  };
}

/** How many numbers are in each bin, by looking at every number for every bin. */
function histogramOf(input: "integer" | "number", edges: readonly number[]): AggregateEntry {
  return {
    input,
    declared: (x, where) => histogram(x as NumberExpression, { ...where, edges }),
    meant: (inputs) =>
      [...edges, null].map((to, i) => {
        const from = edges[i - 1] ?? null;
        const isIn = (x: number) => (from === null || x >= from) && (to === null || x < to);
        return { from, to, count: numbers(inputs).filter(isIn).length };
      }),
  };
}

/** Every aggregate. A new one is one entry here: cases with it are generated, and the oracle knows what it means. */
export const aggregates: Readonly<Record<string, AggregateEntry>> = {
  count: { declared: (_x, where) => count(where), meant: (inputs) => inputs.length },
  sumOfIntegers: {
    input: "integer",
    declared: (x, where) => sum(x as NumberExpression, where),
    meant: (inputs) => (inputs.length === 0 ? null : whole(exactTotal(inputs))),
  },
  sumOfFloats: {
    input: "number",
    declared: (x, where) => sum(x as NumberExpression, where),
    meant: (inputs) => (inputs.length === 0 ? null : total(inputs)),
    slack: sumSlack,
  },
  meanOfIntegers: {
    input: "integer",
    declared: (x, where) => mean(x as NumberExpression, where),
    meant: (inputs) => (inputs.length === 0 ? null : Number(exactTotal(inputs)) / inputs.length),
  },
  meanOfFloats: {
    input: "number",
    declared: (x, where) => mean(x as NumberExpression, where),
    meant: (inputs) => (inputs.length === 0 ? null : total(inputs) / inputs.length),
    slack: (inputs) => {
      const rounding = Math.abs(total(inputs) / inputs.length) * 2 ** -52 + Number.MIN_VALUE;
      return sumSlack(inputs) / inputs.length + rounding;
    },
  },
  minOfIntegers: extreme("integer", min, (a, b) => a < b),
  minOfFloats: extreme("number", min, (a, b) => a < b),
  maxOfIntegers: extreme("integer", max, (a, b) => a > b),
  maxOfFloats: extreme("number", max, (a, b) => a > b),
  minOfTexts: extremeText(min, 1),
  maxOfTexts: extremeText(max, -1),
  firstTime: ofTimes(extreme("time", min, (a, b) => a < b)),
  lastTime: ofTimes(extreme("time", max, (a, b) => a > b)),
  latestTime: ofTimes(byPlace(latest, "time")),
  earliestTime: ofTimes(byPlace(earliest, "time")),
  sumOfHundredths: sumOfDecimals(2),
  sumOfUnits: sumOfDecimals(0),
  varianceOfIntegers: spread(variance, "integer", "sample"),
  varianceOfFloats: spread(variance, "number", "population"),
  stddevOfIntegers: spread(stddev, "integer", "population"),
  stddevOfFloats: spread(stddev, "number", "sample"),
  latestText: byPlace(latest, "string"),
  latestInteger: byPlace(latest, "integer"),
  latestFloat: byPlace(latest, "number"),
  earliestText: byPlace(earliest, "string"),
  earliestBoolean: byPlace(earliest, "boolean"),
  currentText: byLog("string"),
  currentInteger: byLog("integer"),
  currentFloat: byLog("number"),
  currentBoolean: byLog("boolean"),
  currentTime: ofTimes(byLog("time")),
  distinctTexts: distinctUpTo("string", 1_000),
  distinctIntegersUpTo2: distinctUpTo("integer", 2),
  countDistinctTexts: aboutDistinct("string", 0.01),
  countDistinctIntegers: aboutDistinct("integer", 0.1),
  medianOfIntegers: quantileOf("integer", 50, 0.01),
  medianOfFloats: quantileOf("number", 50, 0.1),
  quantile90OfFloats: quantileOf("number", 90, 0.001),
  histogramOfIntegers: histogramOf("integer", [-(2 ** 53) + 1, -1.5, 0, 1, 255, 2 ** 53 - 1]),
  histogramOfFloats: histogramOf("number", [-1e300, -0.25, 5e-324, 0.1, 3, Number.MAX_VALUE]),
  leastByQuantile: quantileOf("integer", 0, 0.25),
};
