import { BIGINT, BOOLEAN, type DuckDBValue, VARCHAR } from "@duckdb/node-api";
import type { Scalar } from "../../views/expression.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import type { AppendedColumn } from "../appended-table.ts";

/** The columns by which rows are told apart, in tables of DuckDB: of the names and types that a generation's states have. */
type KeyColumn = AppendedColumn<Pick<StateRow, "dimensions" | "pane">>;

export const paneColumn: KeyColumn = { name: "_pane", type: BIGINT, of: ({ pane }) => BigInt(pane) };

export function dimensionColumns(view: View): readonly KeyColumn[] {
  return view.dimensions.map(({ name, type }, i) => ({
    name,
    type: type === "string" ? VARCHAR : type === "boolean" ? BOOLEAN : BIGINT,
    of: ({ dimensions }) => dimensionValue(dimensions[i] ?? null),
  }));
}

function dimensionValue(value: Scalar): DuckDBValue {
  return typeof value === "number" ? BigInt(value) : value;
}
