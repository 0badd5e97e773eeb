import type { DuckDBConnection } from "@duckdb/node-api";
import { TidemarkError } from "../../views/errors.ts";
import { allowedTableFunctions, isRefusedFunction, isRefusedTableFunction } from "./refused-functions.ts";

/** A node of DuckDB's own syntax tree. */
type Tree = Readonly<Record<string, unknown>>;

const queryNodes: ReadonlySet<unknown> = new Set([
  ...["SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"],
]);
const tableNodes: ReadonlySet<unknown> = new Set([
  ...["BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "SHOW_REF"],
]);

/**
 * The tables that a statement names, as it spells them, those of its WITH left out. It is read by DuckDB's own parser:
 * TIDEMARK_SQL_STATEMENT for what is not one SELECT, TIDEMARK_SQL_REFUSED for one that reaches for more than tables.
 */
export async function tablesOf(connection: DuckDBConnection, sql: string): Promise<readonly string[]> {
  const tables = new Set<string>();
  walk(await parse(connection, sql), new Set(), tables);
  return [...tables];
}

async function parse(connection: DuckDBConnection, sql: string): Promise<unknown> {
  const result = await connection.runAndReadAll("SELECT json_serialize_sql(CAST($1 AS VARCHAR))", [sql]);
  const tree = JSON.parse(String(result.getRows()[0]?.[0])) as {
    readonly error: boolean;
    readonly error_type?: string;
    readonly error_message?: string;
    readonly statements?: readonly Tree[];
  };
  if (tree.error) {
    throw statementError(
      tree.error_type === "parser" ? String(tree.error_message) : "only a SELECT is answered here",
    );
  }
  const [statement, second] = tree.statements ?? [];
  if (statement === undefined) throw statementError("there is no statement; give one SELECT");
  if (second !== undefined) throw statementError("there are several statements; give one SELECT at a time");
  return statement.node;
}

/** `scope`: the names of WITH that can be seen, in lower case. */
function walk(value: unknown, scope: ReadonlySet<string>, tables: Set<string>): void {
  if (Array.isArray(value)) {
    for (const each of value) walk(each, scope, tables);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const node = value as Tree;
  if ("cte_map" in node) {
    walkQuery(node, scope, tables);
    return;
  }
  if ("sample" in node && "alias" in node) requireTable(node, scope, tables);
  if (typeof node.function_name === "string" && isRefusedFunction(node.function_name)) {
    throw refused(`the function ${node.function_name.toLowerCase()} can't be used here`);
  }
  for (const [key, each] of Object.entries(node)) {
    // What a constant holds is a value.
    if (!(node.class === "CONSTANT" && key === "value")) walk(each, scope, tables);
  }
}

/** A query of a WITH sees those before it; itself only in the second part of a recursive one. */
function walkQuery(node: Tree, scope: ReadonlySet<string>, tables: Set<string>): void {
  if (!queryNodes.has(node.type)) throw refused("only SELECT can be used here");
  const { cte_map, left, ...rest } = node;
  const seen = new Set(scope);
  for (const { key, value } of (cte_map as { readonly map: readonly Tree[] }).map) {
    walk(value, seen, tables);
    seen.add(String(key).toLowerCase());
  }
  walk(left, seen, tables);
  if (node.type === "RECURSIVE_CTE_NODE") seen.add(String(node.cte_name).toLowerCase());
  walk(rest, seen, tables);
}

function requireTable(node: Tree, scope: ReadonlySet<string>, tables: Set<string>): void {
  switch (node.type) {
    case "BASE_TABLE": {
      const name = String(node.table_name);
      const path = [node.catalog_name, node.schema_name].filter((part) => part !== "");
      if (path.length > 0) tables.add([...path, name].join("."));
      else if (!scope.has(name.toLowerCase())) tables.add(name);
      return;
    }
    case "TABLE_FUNCTION": {
      const { function_name: name } = node.function as { readonly function_name?: string };
      if (name !== undefined && !isRefusedTableFunction(name)) return;
      throw refused(
        `the table function ${name?.toLowerCase()} can't be used here; there are ${allowedTableFunctions.join(", ")}`,
      );
    }
    case "SHOW_REF":
      if (node.query !== null) return;
      throw refused("SHOW can't be used here; DESCRIBE tells a table's columns");
    default:
      if (!tableNodes.has(node.type)) throw refused(`${String(node.type)} can't be used here`);
  }
}

function statementError(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_SQL_STATEMENT", message);
}

function refused(message: string): TidemarkError {
  return new TidemarkError("TIDEMARK_SQL_REFUSED", message);
}
