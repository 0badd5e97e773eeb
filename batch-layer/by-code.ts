import type { Aggregate, Measure } from "../views/aggregate.ts";
import { nodeToSql, quoteIdentifier, type SqlParameters } from "../views/expression.ts";
import type { View } from "../views/view.ts";

/**
 * What is counted by code is computed in two steps: first by the view's key and the code of the input, with how many records
 * have it, then by the key alone. DuckDB's `histogram` keeps a tree per group; its hash table, which also spills to disk, takes
 * a third of that time with few groups. What is dear of a code is then looked up by the
 * rows of the first step, not by every record.
 */
export const [codeColumn, countColumn] = ['"_code"', '"_count"'] as const;
const [counted, dictionaryCode, resultColumn] = ['"_counted"', '"_of"', '"_result"'] as const;

/** Measures that are computed over the same rows: all that is counted of them is by one code. */
export type Part = readonly Measure[];

/**
 * A part for each code that there is. What else there is goes with the first, if its states can be merged by SQL, else by
 * itself. One at least.
 */
export function partsOf(measures: readonly Measure[]): readonly Part[] {
  const byCode = new Map<string, Measure[]>();
  for (const measure of measures.filter(isCounted)) {
    const { perCode } = measure.aggregate.counted ?? {};
    const parameters: SqlParameters = { values: [] };
    const code = [codeOf(measure.aggregate, parameters), parameters.values, perCode?.(codeColumn) ?? null];
    // Bigints can be parameters, too.
    const id = JSON.stringify(code, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
    byCode.set(id, [...(byCode.get(id) ?? []), measure]);
  }
  const others = measures.filter((measure) => !isCounted(measure) && measure.aggregate.state.length > 0);
  const [first, ...more] = byCode.values();
  if (first === undefined) return [others];
  const isWithFirst = others.every(({ aggregate }) => aggregate.mergeSql !== undefined);
  return isWithFirst ? [[...others, ...first], ...more] : [others, first, ...more];
}

/** So many codes are gathered at most. Up to eight characters each, and room for as many while texts grow: some 100 MB. */
export const mostGathered = 2 ** 23;

/** Panes up to this long, of some key, have groups so small that most of their codes occur once or twice. */
const longestPaneMs = 86_400_000;

/**
 * The measures as they are computed of so many records: where groups are small, so that counting codes first would leave
 * nearly as many rows as there are records, codes are gathered as they come if there is room for them.
 */
export function gatherFew(view: View, records: number, measures: readonly Measure[]): readonly Measure[] {
  const gathered = measures.filter(({ aggregate }) => aggregate.counted?.gather !== undefined);
  const isRowPerRecord = view.mappings.every(({ list }) => list === undefined);
  const isFew = gathered.length > 0 && records * partsOf(gathered).length <= mostGathered;
  if (!hasSmallGroups(view) || !isRowPerRecord || !isFew) return measures;
  return measures.map((measure) => {
    const { counted, ...aggregate } = measure.aggregate;
    const { gather } = counted ?? {};
    return gather === undefined ? measure : { ...measure, aggregate: { ...aggregate, sql: gather } };
  });
}

function hasSmallGroups({ dimensions, window }: View): boolean {
  if (window === undefined || window.window.kind === "calendar") return false;
  return dimensions.length > 0 && window.window.widthMs <= longestPaneMs;
}

/** The SQL of a part's code, null for a record that is not to be counted; undefined where nothing is counted. */
export function sharedCode(part: Part, parameters: SqlParameters): string | undefined {
  const first = part.find(isCounted);
  return first === undefined ? undefined : codeOf(first.aggregate, parameters);
}

export function isCounted({ aggregate }: Measure): boolean {
  return aggregate.counted !== undefined;
}

function codeOf({ input, where, counted }: Aggregate, parameters: SqlParameters): string {
  const condition = where === undefined ? undefined : nodeToSql(where, parameters);
  const code = counted?.code(input === undefined ? "" : nodeToSql(input, parameters)) ?? "NULL";
  return condition === undefined ? code : `CASE WHEN ${condition} THEN ${code} END`;
}

/** The second step: by the first columns, of which there are as many as `names`, over what the first step gives. */
export function byKeySql(part: Part, names: readonly string[], grouped: string): string {
  const perCode = part.find(isCounted)?.aggregate.counted?.perCode?.(codeColumn);
  const code = perCode === undefined ? codeColumn : resultColumn;
  const columns = part.flatMap(({ name, aggregate }) => {
    const own = aggregate.state.map((state) => quoteIdentifier(`${name}.${state.name}`));
    const states = aggregate.counted?.sql(code, countColumn) ?? aggregate.mergeSql?.(own) ?? [];
    return own.map((column, i) => `${states[i] ?? "NULL"} AS ${column}`);
  });
  const [first, from] =
    perCode === undefined
      ? ["", `(${grouped})`]
      : [
          `WITH ${counted} AS MATERIALIZED (${grouped})\n`,
          `${counted} LEFT JOIN (
  SELECT ${codeColumn} AS ${dictionaryCode}, ${perCode} AS ${resultColumn} FROM (SELECT DISTINCT ${codeColumn} FROM ${counted})
) ON ${codeColumn} = ${dictionaryCode}`,
        ];
  return `${first}SELECT ${[...names, ...columns].join(", ")}
FROM ${from}
GROUP BY ${names.map((_, i) => i + 1).join(", ")}`;
}

/** What the parts give, in one row for each key: every part has each key once. */
export function joinPartsSql(names: readonly string[], columns: readonly string[], parts: readonly string[]) {
  return `SELECT ${[...names, ...columns.map((column) => `any_value(${column}) AS ${column}`)].join(", ")}
FROM (${parts.map((part) => `(${part})`).join("\nUNION ALL BY NAME\n")})
GROUP BY ${names.map((_, i) => i + 1).join(", ")}`;
}
