import type { DuckDBConnection } from "@duckdb/node-api";
import { expect } from "vitest";
import type { EventType } from "../../views/event.ts";
import { type Node, nodeToJs, nodeToSql, sqlType } from "../../views/expression.ts";
import { LoopScope } from "../../views/loop-scope.ts";
import { writeMasterFile } from "../batch/master-in-memory.ts";

/** Data of one event, as a decoder gives it. */
export interface Row {
  readonly [name: string]: string | number | boolean | undefined | Row | readonly (string | number)[];
}

/** As a file of the master dataset, which has no -0. */
export async function writeRows(
  connection: DuckDBConnection,
  path: string,
  event: EventType,
  rows: readonly Row[],
  times: readonly number[] = [],
): Promise<void> {
  const written = (row: Row): Row =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => {
        if (Array.isArray(value)) return [name, value];
        if (typeof value === "object") return [name, written(value as Row)];
        return [name, typeof value === "number" ? value + 0 : value];
      }),
    );
  const facts = rows.map((row, i) => ({ time: times[i] ?? 0, data: written(row) }));
  await writeMasterFile(connection, path, event, 0, 0, facts);
}

/** What the batch layer makes of the node, row by row. */
export async function valuesBySql(
  connection: DuckDBConnection,
  path: string,
  node: Node,
): Promise<readonly unknown[]> {
  const parameters = { values: [] };
  const sql = nodeToSql(node, parameters);
  const result = await connection.runAndReadAll(
    `SELECT ${sql} AS value FROM read_parquet('${path}') ORDER BY _offset`,
    parameters.values,
  );
  expect(String(result.columnType(0))).toBe(sqlType(node.type));
  const [column = []] = result.getColumns();
  return column.map((value) => (typeof value === "bigint" ? Number(value) : value));
}

/** What the speed layer makes of it. */
export function valuesByFold(
  node: Node,
  rows: readonly Row[],
  times: readonly number[] = [],
): readonly unknown[] {
  const scope = new LoopScope();
  const result = nodeToJs(node, "event", scope);
  const body = `"use strict";
${scope.constantsToJs("constants")}
return (event) => { ${scope.takeStatements()} return ${result}; };`;
  const compute = new Function("constants", body)(scope.constants) as (event: object) => unknown;
  return rows.map((data, i) => compute({ data, time: times[i] ?? 0 }));
}
