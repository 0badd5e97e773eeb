import type { DuckDBConnection } from "@duckdb/node-api";
import { AppendedTable } from "../../infra/appended-table.ts";
import { dimensionColumns, paneColumn } from "../../infra/generations/key-columns.ts";
import { quoteIdentifier, type Scalar } from "../../views/expression.ts";
import { groupKey } from "../../views/key.ts";
import type { StateRow } from "../../views/state.ts";
import { copyState, mergeState, type View } from "../../views/view.ts";
import type { StoredRows } from "../sessions.ts";
import { isShownAsStored, shownRows } from "../shown-rows.ts";
import type { GenerationTable } from "./generation-tables.ts";
import { inTurns } from "./row-turns.ts";
import { type ShownColumn, shownColumns } from "./shown-columns.ts";

/**
 * A SELECT of a view's rows, generation and tail together. Of the generation all rows are taken but those that the tail has
 * a part in; these are merged and presented here, into temporary tables of the connection whose names begin with `name`.
 */
export async function viewToSql(
  connection: DuckDBConnection,
  name: string,
  view: View,
  generation: GenerationTable | undefined,
  tail: readonly StateRow[],
  signal: AbortSignal,
): Promise<string> {
  const shown = shownColumns(view);
  const visible = shown.map((column) => quoteIdentifier(column.name)).join(", ");
  if (tail.length === 0) {
    const none = shown.map((column) => `CAST(NULL AS ${column.type}) AS ${quoteIdentifier(column.name)}`);
    return generation === undefined
      ? `SELECT ${none.join(", ")} WHERE false`
      : `SELECT ${visible} FROM (${generation.sql})`;
  }
  const merged = `${name} merged`;
  const rows = isShownAsStored(view)
    ? mergedRows(view, generation, tail)
    : shownAgain(view, generation, groupsOf(view, tail));
  await fill(connection, merged, [...shown, paneColumn], rows, signal);
  const mergedSql = `SELECT ${visible} FROM temp.main.${quoteIdentifier(merged)}`;
  if (generation === undefined) return mergedSql;
  let touched = merged;
  let key = [...dimensionColumns(view), paneColumn];
  if (!isShownAsStored(view)) {
    touched = `${name} touched`;
    key = [...dimensionColumns(view)];
    await fill(
      connection,
      touched,
      [...key, paneColumn],
      groupsOf(view, tail).map(([row]) => row),
      signal,
    );
  }
  const isSame = key.map(({ name: column }) => {
    const quoted = quoteIdentifier(column);
    return `_touched.${quoted} IS NOT DISTINCT FROM _generation.${quoted}`;
  });
  return `SELECT ${visible} FROM (${generation.sql}) AS _generation
WHERE NOT EXISTS (SELECT 1 FROM temp.main.${quoteIdentifier(touched)} AS _touched WHERE ${["true", ...isSame].join(" AND ")})
UNION ALL ${mergedSql}`;
}

async function fill(
  connection: DuckDBConnection,
  name: string,
  columns: readonly ShownColumn[],
  rows: Iterable<StateRow>,
  signal: AbortSignal,
): Promise<void> {
  const table = await AppendedTable.create(connection, name, columns);
  for await (const row of inTurns(rows, signal)) table.append(row);
  table.close();
}

function* mergedRows(
  view: View,
  generation: GenerationTable | undefined,
  tail: readonly StateRow[],
): Generator<StateRow, void, undefined> {
  for (const row of tail) {
    const [base] = generation?.reader.group(row.dimensions, row.pane, row.pane + 1) ?? [];
    if (base === undefined) {
      yield row;
      continue;
    }
    const cells = copyState(view, base.cells);
    mergeState(view, cells, row.cells);
    yield { ...row, cells };
  }
}

type GroupRows = readonly [StateRow, ...StateRow[]];

/** Rows of one group each, in order of pane. */
function groupsOf(view: View, rows: readonly StateRow[]): readonly GroupRows[] {
  const groups = new Map<string, [StateRow, ...StateRow[]]>();
  for (const row of rows) {
    const key = groupKey(view.dimensions, row.dimensions);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  for (const group of groups.values()) group.sort((a, b) => a.pane - b.pane);
  return [...groups.values()];
}

/** Sessions and overlapping windows of the groups that the tail has a part in: one more record may change several. */
function* shownAgain(
  view: View,
  generation: GenerationTable | undefined,
  groups: readonly GroupRows[],
): Generator<StateRow, void, undefined> {
  for (const group of groups) {
    const { dimensions } = group[0];
    const stores = generation === undefined ? [inMemory(group)] : [generation.reader, inMemory(group)];
    yield* shownRows(view, stores).scan(dimensions, undefined, undefined);
  }
}

function inMemory(rows: readonly StateRow[]): StoredRows {
  const within = (_: readonly Scalar[], from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY) =>
    rows.filter(({ pane }) => pane >= from && pane < to);
  return { group: within, scan: within };
}
