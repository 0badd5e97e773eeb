import { type Aggregate, defineAggregate, filterAnd, requireInput } from "../aggregate.ts";
import { TidemarkError } from "../errors.ts";
import type { NumberExpression, StringExpression } from "../expressions/typed.ts";
import { mergeSketches } from "../state.ts";
import { more, ValueSet } from "../value-set.ts";
import type { Where } from "./count.ts";

export interface UpTo {
  /** How many different values are told apart in one row, 1 to 100,000. */
  readonly upTo: number;
}

/**
 * How many different texts or integers there are: exact, and 0 where there is nothing. The state holds the values
 * themselves. Where there are more than `upTo` it lets go of them, and the value is null: more than that, and no guess.
 */
export function distinct(
  input: StringExpression | NumberExpression,
  { where, upTo }: Where & UpTo,
): Aggregate {
  const { node } = input;
  requireInput("distinct", node, ["string", "integer"]);
  if (!Number.isInteger(upTo) || upTo < 1 || upTo > 100_000) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_TYPE",
      `distinct with upTo ${upTo}: give a whole number from 1 to 100000; countDistinct estimates what is more`,
    );
  }
  const empty = () => new ValueSet(upTo);
  return defineAggregate({
    kind: "distinct",
    input: node,
    where: where?.node,
    state: [
      {
        name: "values",
        type: "sketch",
        zero: null,
        format: `values-${upTo}`,
        decode: (text) => ValueSet.decode(upTo, text),
      },
    ],
    value: { type: "integer", nullable: true },
    add: ([set], x, { constant }) => `(${set} ??= ${constant(empty)}()).add(${x});`,
    sql(x, filter) {
      const values = `list(DISTINCT ${x})${filterAnd(filter, `${x} IS NOT NULL`)}`;
      const text = `CAST(to_json(${values}) AS VARCHAR)`;
      return [
        `CASE WHEN ${values} IS NULL THEN NULL WHEN len(${values}) > ${upTo} THEN '${more}' ELSE ${text} END`,
      ];
    },
    merge: mergeSketches,
    present(cells, i) {
      const set = cells[i] as ValueSet | null;
      return set === null ? 0 : (set.size ?? null);
    },
  });
}
