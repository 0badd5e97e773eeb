import { type Aggregate, defineAggregate, requireInput } from "../aggregate.ts";
import { TidemarkError } from "../errors.ts";
import type { NumberExpression, StringExpression } from "../expressions/typed.ts";
import { codeSql, HyperLogLog, precisionFor, rememberedCodes } from "../hyperloglog.ts";
import { mergeSketches } from "../state.ts";
import type { Where } from "./count.ts";

export interface DistinctError {
  /** The relative standard error, 0.0021 to 0.25. Default 0.01: 16 kB for a group with very many values, little with few. */
  readonly error?: number;
}

/** About how many different texts or integers there are; 0 where there is nothing. See `hyperloglog.ts`. */
export function countDistinct(
  input: StringExpression | NumberExpression,
  options: Where & DistinctError = {},
): Aggregate {
  const { node } = input;
  const { error = 0.01 } = options;
  requireInput("countDistinct", node, ["string", "integer"]);
  if (!(error >= 0.0021 && error <= 0.25)) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `countDistinct with error ${error}: give a relative standard error from 0.0021 to 0.25`,
    );
  }
  const precision = precisionFor(error);
  const percent = (104 / Math.sqrt(2 ** precision)).toFixed(2);
  const codes = rememberedCodes(precision);
  const codeOf = (x: string) =>
    `CAST(${codeSql(precision, node.type === "string" ? x : `CAST(${x} AS VARCHAR)`)} AS VARCHAR)`;
  const empty = () => new HyperLogLog(precision);
  return defineAggregate({
    kind: "countDistinct",
    input: node,
    where: options.where?.node,
    state: [
      {
        name: "registers",
        type: "sketch",
        zero: null,
        format: `hyperloglog-${precision}`,
        decode: (text) => HyperLogLog.decode(precision, text),
      },
    ],
    approximation: `distinct count: standard error ${percent} %`,
    value: { type: "integer", nullable: false },
    add: ([sketch], x, { constant }) => `(${sketch} ??= ${constant(empty)}()).add(${constant(codes)}(${x}));`,
    sql: (x, filter) => [`string_agg(DISTINCT ${codeOf(x)}, ',')${filter}`],
    counted: {
      code: (x) => x,
      perCode: codeOf,
      sql: (code) => [`string_agg(DISTINCT ${code}, ',')`],
    },
    merge: mergeSketches,
    present(cells, i) {
      const sketch = cells[i] as HyperLogLog | null;
      return sketch === null ? 0 : Math.round(sketch.estimate());
    },
  });
}
