import type { Aggregate, Value } from "../../../views/aggregate.ts";
import { count, type Where } from "../../../views/aggregates/count.ts";
import { max } from "../../../views/aggregates/max.ts";
import { mean } from "../../../views/aggregates/mean.ts";
import { min } from "../../../views/aggregates/min.ts";
import { sum } from "../../../views/aggregates/sum.ts";
import type { Expression } from "../../../views/expression.ts";
import type { NumberExpression } from "../../../views/expressions/typed.ts";
import type { FieldType } from "../../../views/field.ts";

/** A record that a measure takes in: its input is not null, its `where` is true. */
export interface Input {
  readonly value: string | number | boolean;
  readonly time: number;
  readonly partition: number;
  readonly offset: number;
}

/**
 * One aggregate over one type of input: how it is declared, and what it means by its documentation. `meant` must not call
 * anything under `views/`. An aggregate with parameters has an entry for each setting that is worth a case.
 */
export interface AggregateEntry {
  /** Undefined: looks at no field. */
  readonly input?: FieldType;
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
};
