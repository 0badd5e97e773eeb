import type { DuckDBConnection } from "@duckdb/node-api";
import type { Statement } from "./statement.ts";

interface PlanNode {
  readonly name: string;
  readonly children: readonly PlanNode[];
  readonly extra_info: Readonly<Record<string, string | readonly string[]>>;
}

/** Which columns of Parquet files a statement reads, by DuckDB's own plan of it. */
export async function readColumns(
  connection: DuckDBConnection,
  { sql, parameters }: Statement,
): Promise<ReadonlySet<string>> {
  const result = await connection.runAndReadAll(`EXPLAIN (FORMAT json) ${sql}`, [...parameters]);
  const names = new Set<string>();
  for (const [, plan] of result.getRows()) {
    for (const node of JSON.parse(String(plan)) as readonly PlanNode[]) addColumns(node, names);
  }
  return names;
}

/** One column is a text in the plan, several are a list of texts. A column that is only filtered by stands in the filter. */
function addColumns({ name, children, extra_info }: PlanNode, names: Set<string>): void {
  if (name.trim() === "READ_PARQUET") {
    for (const column of [extra_info.Projections ?? []].flat()) names.add(column);
    for (const filter of [extra_info.Filters ?? []].flat())
      for (const word of wordsOf(filter)) names.add(word);
  }
  for (const child of children) addColumns(child, names);
}

/** Names of columns among them, plain and quoted; those of a text are no names. */
function wordsOf(filter: string): readonly string[] {
  const words = filter.replaceAll(/'(?:[^']|'')*'/g, "").matchAll(/"([^"]+)"|[\w.]+/g);
  return [...words].map(([word, quoted]) => quoted ?? word);
}
