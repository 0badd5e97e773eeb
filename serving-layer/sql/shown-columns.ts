import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  DuckDBTimestampTZValue,
  type DuckDBType,
  type DuckDBValue,
  HUGEINT,
  LIST,
  listValue,
  STRUCT,
  structValue,
  TIMESTAMPTZ,
  VARCHAR,
} from "@duckdb/node-api";
import type { AppendedColumn } from "../../infra/appended-table.ts";
import { dimensionColumns, paneColumn } from "../../infra/generations/key-columns.ts";
import type { Aggregate, Bin, Measure } from "../../views/aggregate.ts";
import { quoteIdentifier } from "../../views/expression.ts";
import type { StateRow } from "../../views/state.ts";
import { shownView, type View } from "../../views/view.ts";
import { startOf, type Window } from "../../views/window.ts";
import { isShownAsStored } from "../shown-rows.ts";

/** A column of a view as statements see it. */
export interface ShownColumn extends AppendedColumn<StateRow> {
  /** Of the states' Parquet file, a DuckDB expression; absent where SQL can't say it. */
  readonly sql?: string;
}

/** With the pane, by which a row is told from others of its dimensions, and which statements do not see. */
export function withPane(columns: readonly ShownColumn[]): readonly ShownColumn[] {
  return [...columns, { ...paneColumn, sql: "_pane" }];
}

/** Dimensions, the window's first instant, and the measures' values, as rows show them. */
export function shownColumns(stored: View): readonly ShownColumn[] {
  const view = shownView(stored);
  const states = stored.columns.map(({ name }) => quoteIdentifier(name));
  return [
    ...dimensionColumns(view).map((column) => ({ ...column, sql: quoteIdentifier(column.name) })),
    ...(view.window === undefined ? [] : [windowColumn(view.window.name, view.window.window)]),
    ...view.measures.map((measure) => measureColumn(measure, states)),
  ];
}

/** Whether every row and column can be made from the states' Parquet file by DuckDB alone. */
export function isShownBySql(stored: View, columns: readonly ShownColumn[]): boolean {
  const isByRow = isShownAsStored(stored) || stored.existence !== undefined;
  return isByRow && columns.every(({ sql }) => sql !== undefined);
}

/** Which rows of the states' Parquet file are shown: behind FROM, all of them by nothing. */
export function shownCondition({ existence, columns }: View): string {
  if (existence === undefined) return "";
  return ` WHERE ${quoteIdentifier(columns[existence.deletedCell]?.name ?? "")} IS DISTINCT FROM true`;
}

function windowColumn(name: string, window: Window): ShownColumn {
  const isItsName = window.kind !== "calendar" || window.calendar.zone.name === "UTC";
  return {
    name,
    type: TIMESTAMPTZ,
    of: ({ pane }) => new DuckDBTimestampTZValue(BigInt(startOf(window, pane)) * 1_000n),
    ...(isItsName ? { sql: "make_timestamptz(_pane * 1000)" } : {}),
  };
}

function measureColumn({ name, aggregate, firstCell }: Measure, states: readonly string[]): ShownColumn {
  const sql = aggregate.presentSql?.(states, firstCell);
  const toColumn = columnValue(aggregate);
  return {
    name,
    type: measureType(aggregate),
    of: ({ cells }) => toColumn(aggregate.present(cells, firstCell)),
    ...(sql === undefined ? {} : { sql }),
  };
}

/** Sums of integers may be of any size; every other integer is one of the records' or a count. */
function measureType({ kind, value: { type } }: Aggregate): DuckDBType {
  switch (type) {
    case "integer":
      return kind === "sum" ? HUGEINT : BIGINT;
    case "number":
      return DOUBLE;
    case "string":
      return VARCHAR;
    case "boolean":
      return BOOLEAN;
    case "histogram":
      return LIST(STRUCT({ from: DOUBLE, to: DOUBLE, count: BIGINT }));
  }
}

function columnValue({ value: { type } }: Aggregate): (value: unknown) => DuckDBValue {
  if (type === "integer") return (value) => (value === null ? null : BigInt(value as number | bigint));
  if (type !== "histogram") return (value) => value as DuckDBValue;
  return (value) =>
    listValue(
      (value as readonly Bin[]).map(({ from, to, count }) => structValue({ from, to, count: BigInt(count) })),
    );
}
