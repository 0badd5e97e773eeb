import { type AggregateOf, type Bin, defineAggregate, filterAnd, requireInput } from "../aggregate.ts";
import { TidemarkError } from "../errors.ts";
import type { NumberExpression } from "../expressions/typed.ts";
import { BucketCounts } from "../log-linear.ts";
import { mergeSketches } from "../state.ts";
import type { Where } from "./count.ts";

export interface Edges {
  /** Where one bin ends and the next begins: 1 to 200 numbers, each greater than the one before. */
  readonly edges: readonly number[];
}

/**
 * How many numbers there are in each bin: below the first edge, between each two, and from the last one on. A bin holds the edge
 * that it begins with, and not the one that it ends with. Exact.
 */
export function histogram(input: NumberExpression, options: Where & Edges): AggregateOf<never> {
  const { node } = input;
  requireInput("histogram", node, ["integer", "number"]);
  const edges = readEdges(options.edges);
  const empty = () => new BucketCounts();
  const binOf = (x: number) => binIn(edges, x);
  return defineAggregate({
    kind: "histogram",
    input: node,
    where: options.where?.node,
    state: [
      {
        name: "bins",
        type: "sketch",
        zero: null,
        format: `bins ${edges.join(" ")}`,
        decode: (text) => BucketCounts.decode(text, (bin) => bin),
      },
    ],
    value: { type: "histogram", nullable: false },
    add: ([counts], x, { constant }) => `(${counts} ??= ${constant(empty)}()).add(${constant(binOf)}(${x}));`,
    sql(x, filter) {
      const bins = edges.map((edge, bin) => `WHEN ${x} < CAST('${edge}' AS DOUBLE) THEN ${bin}`);
      const bin = `CASE ${bins.join(" ")} ELSE ${edges.length} END`;
      return [`CAST(histogram(${bin})${filterAnd(filter, `${x} IS NOT NULL`)} AS VARCHAR)`];
    },
    merge: mergeSketches,
    present(cells, i): readonly Bin[] {
      const counts = cells[i] as BucketCounts | null;
      return [null, ...edges].map((from, bin) => ({
        from,
        to: edges[bin] ?? null,
        count: counts?.countOf(bin) ?? 0,
      }));
    },
  });
}

/** -0 is 0, as everywhere. */
function readEdges(edges: readonly number[]): readonly number[] {
  const isRising = edges.every(
    (edge, i) => Number.isFinite(edge) && (i === 0 || edge > (edges[i - 1] ?? Number.NaN)),
  );
  if (edges.length >= 1 && edges.length <= 200 && isRising)
    return Object.freeze(edges.map((edge) => edge + 0));
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_TYPE",
    `histogram with edges ${edges.join(", ").slice(0, 100)}: give 1 to 200 finite numbers, each greater than the one before`,
  );
}

/** How many edges there are up to the number. */
function binIn(edges: readonly number[], x: number): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x < (edges[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}
