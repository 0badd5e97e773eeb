import type { Measure } from "../views/aggregate.ts";
import { nodeToSql, quoteIdentifier, type SqlParameters } from "../views/expression.ts";
import type { Mapping } from "../views/mapping.ts";

/**
 * A view whose quantiles are all of one input can be computed in two steps: first by its key and the code of the input, with how
 * many records have it, then by its key alone. DuckDB's `histogram` keeps a tree per group; its hash table, which also spills to
 * disk, takes a third of that time with few groups, 85 % with very many. All other measures must have states that SQL can merge.
 */
export const [codeColumn, countColumn] = ['"_code"', '"_count"'] as const;

/** The SQL of the one code, null for a record that is not to be counted; undefined where the view can't be computed so. */
export function sharedCode(
  { measures }: Pick<Mapping, "measures">,
  parameters: SqlParameters,
): string | undefined {
  const codes = new Set<string>();
  for (const { aggregate } of measures) {
    const compiled: SqlParameters = { values: [] };
    if (aggregate.counted !== undefined) codes.add(JSON.stringify([codeOf(aggregate, compiled), compiled]));
    else if (aggregate.mergeSql === undefined && aggregate.state.length > 0) return undefined;
  }
  const first = measures.find(({ aggregate }) => aggregate.counted !== undefined);
  return first === undefined || codes.size > 1 ? undefined : codeOf(first.aggregate, parameters);
}

function codeOf({ input, where, counted }: Measure["aggregate"], parameters: SqlParameters): string {
  const condition = where === undefined ? undefined : nodeToSql(where, parameters);
  const code = counted?.code(input === undefined ? "" : nodeToSql(input, parameters)) ?? "NULL";
  return condition === undefined ? code : `CASE WHEN ${condition} THEN ${code} END`;
}

/** The state columns of the second step, over those that the first step gives under the same names. */
export function mergedColumns({ measures }: Pick<Mapping, "measures">): readonly string[] {
  return measures.flatMap(({ name, aggregate }) => {
    const columns = aggregate.state.map((state) => quoteIdentifier(`${name}.${state.name}`));
    const states = aggregate.counted?.sql(codeColumn, countColumn) ?? aggregate.mergeSql?.(columns) ?? [];
    return columns.map((column, i) => `${states[i] ?? "NULL"} AS ${column}`);
  });
}
