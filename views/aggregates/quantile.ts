import { type Aggregate, defineAggregate, filterAnd, requireInput } from "../aggregate.ts";
import { TidemarkError } from "../errors.ts";
import type { NumberExpression } from "../expressions/typed.ts";
import { BucketCounts, bucketCodeSql, bucketOf, bucketOfCode, digitsFor, middleOf } from "../log-linear.ts";
import { mergeSketches } from "../state.ts";
import type { Where } from "./count.ts";

export interface QuantileError {
  /** How far the value may lie off, relatively: 0.0001 to 0.25. Default 0.01. */
  readonly error?: number;
}

/**
 * The number that has `share` (0 … 1) of all at or before it, by nearest rank as SQL's `quantile_disc`; null where there is
 * nothing. Off by at most the declared error of itself, whatever the numbers, negative ones and zero included; whole numbers
 * below 1 / error are exact. See `log-linear.ts`.
 */
export function quantile(
  input: NumberExpression,
  share: number,
  options: Where & QuantileError = {},
): Aggregate {
  const { node } = input;
  const { error = 0.01 } = options;
  requireInput("quantile", node, ["integer", "number"]);
  if (!(share >= 0 && share <= 1) || !(error >= 0.0001 && error <= 0.25)) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `quantile ${share} with error ${error}: give a share from 0 to 1, and a relative error from 0.0001 to 0.25`,
    );
  }
  const isWhole = node.type === "integer";
  const digits = digitsFor(error);
  const empty = () => new BucketCounts();
  return defineAggregate({
    kind: "quantile",
    input: node,
    where: options.where?.node,
    state: [
      {
        name: "buckets",
        type: "sketch",
        zero: null,
        format: `log-linear-${digits}`,
        decode: (text) => BucketCounts.decode(text, (code) => bucketOfCode(digits, code, isWhole)),
      },
    ],
    approximation: `quantile: off by at most ${Number((100 * 2 ** -(digits + 1)).toPrecision(3))} % of itself`,
    value: { type: isWhole ? "integer" : "number", nullable: true },
    shown: share,
    add: ([counts], x, { constant }) =>
      `(${counts} ??= ${constant(empty)}()).add(${constant(bucketOf)}(${digits}, ${x}));`,
    sql: (x, filter) => [
      `CAST(histogram(${bucketCodeSql(digits, x, isWhole)})${filterAnd(filter, `${x} IS NOT NULL`)} AS VARCHAR)`,
    ],
    counted: {
      code: (x) => bucketCodeSql(digits, x, isWhole),
      gather: (x, filter) => [
        `string_agg(CAST(${bucketCodeSql(digits, x, isWhole)} AS VARCHAR), ',')${filter}`,
      ],
      sql: (code, count) => [`string_agg(${code} || '=' || ${count}, ',')`],
    },
    merge: mergeSketches,
    present(cells, i) {
      const counts = cells[i] as BucketCounts | null;
      return counts === null ? null : middleOf(digits, counts.bucketAt(share), isWhole);
    },
  });
}
