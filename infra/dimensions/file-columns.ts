import type { Attribute, FileTable } from "../../views/dimension-table.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";

/** A row of a file: the key, then the attributes, in the order of `columnsOf`. */
export interface FileRow {
  /** "line 7", or "row 7" of a file that has no lines. */
  readonly place: string;
  readonly values: readonly Scalar[];
}

/** What a file is read for: the key, then the attributes. */
export function columnsOf(table: FileTable): readonly Attribute[] {
  return [{ name: table.keyColumn, type: table.keyType, optional: false }, ...table.attributes];
}

/** Tells what is wrong with a table's file. */
export function fileError(
  table: FileTable,
  path: string,
  reason: string,
  options?: ErrorOptions,
): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_DIMENSION_FILE",
    `dimension "${table.name}": ${path}: ${reason}`,
    options,
  );
}

/** Why the file lacks a column. */
export function missingColumn(name: string, columns: readonly string[]): string {
  return `there is no column "${name}"; there are ${columns.slice(0, 100).join(", ") || "none"}`;
}

/** A text of the file as the column's value; undefined: it is none. An empty one is null where the column is optional. */
export function valueOfText({ type, optional }: Attribute, text: string): Scalar | undefined {
  if (text === "" && optional) return null;
  if (type === "string") return text;
  if (type === "boolean") return text === "true" ? true : text === "false" ? false : undefined;
  return /^[+-]?\d+$/.test(text) ? safe(Number(text)) : undefined;
}

/** A value of the file as the column's; undefined: it is none. */
export function checkedValue({ type, optional }: Attribute, value: unknown): Scalar | undefined {
  if (value === null || value === undefined) return optional ? null : undefined;
  if (type === "string") return typeof value === "string" && value.isWellFormed() ? value : undefined;
  if (type === "boolean") return typeof value === "boolean" ? value : undefined;
  return typeof value === "number" || typeof value === "bigint" ? safe(Number(value)) : undefined;
}

function safe(value: number): number | undefined {
  return Number.isSafeInteger(value) ? value + 0 : undefined;
}

/** What stands where a value of the column must. */
export function noValue(place: string, { name, type, optional }: Attribute, given: unknown): string {
  const expected = {
    string: "a text",
    integer: "a whole number within ±(2^53 − 1)",
    boolean: "true or false",
  };
  const shown =
    given === undefined || given === null ? "nothing" : JSON.stringify(String(given).slice(0, 100));
  return `${place}: ${name} is ${shown}; it must be ${expected[type]}${optional ? ", or empty" : ""}`;
}
