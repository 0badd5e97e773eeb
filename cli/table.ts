import Table from "cli-table3";
import type { AnswerBin, AnswerValue } from "./answers.ts";
import { formatCount } from "./quantity.ts";

export interface TableColumn {
  readonly title: string;
  /** By row; undefined leaves the cell blank, null shows as "–". */
  readonly values: readonly (AnswerValue | undefined)[];
  /** Default: numbers right, all else left. */
  readonly align?: "left" | "right";
  /** Show every decimal of a number; default: two where the column has fractions. */
  readonly exact?: true;
}

const noLines = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].map((name) => [name, ""]),
);

/** A table without boxes: a rule below the titles, numbers grouped by thousands and aligned. Ends in a newline. */
export function renderTable(columns: readonly TableColumn[]): string {
  const cells = columns.map(({ values, exact }) => formatColumn(values, exact === true));
  const table = new Table({
    chars: { ...noLines, middle: "  " },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colAligns: columns.map(({ align, values }) => align ?? (isNumeric(values) ? "right" : "left")),
  });
  const titles = columns.map(({ title }) => title);
  const widths = titles.map((title, i) =>
    Math.max(...[title, ...(cells[i] ?? [])].map((cell) => [...cell].length)),
  );
  table.push(
    titles,
    widths.map((width, i) => (titles[i] === "" ? "" : "─".repeat(width))),
  );
  const height = Math.max(0, ...cells.map((column) => column.length));
  for (let row = 0; row < height; row++) table.push(cells.map((column) => column[row] ?? ""));
  return `${table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n")}\n`;
}

/** Columns of rows that all have the same names, in the order of the first row. */
export function columnsOf(rows: readonly Readonly<Record<string, AnswerValue>>[]): TableColumn[] {
  return Object.keys(rows[0] ?? {}).map((title) => ({ title, values: rows.map((row) => row[title]) }));
}

function isNumeric(values: TableColumn["values"]): boolean {
  return values.some((value) => typeof value === "number") && values.every(isNumberLike);
}

/** An integer that JSON can't carry exactly comes as its digits, among numbers. */
function isNumberLike(value: AnswerValue | undefined): boolean {
  return value === null || value === undefined || typeof value === "number" || isDigits(value);
}

function isDigits(value: AnswerValue): value is string {
  return typeof value === "string" && /^-?\d{16,}$/.test(value);
}

function formatColumn(values: TableColumn["values"], exact: boolean): string[] {
  const numeric = isNumeric(values);
  const hasFraction = values.some((value) => typeof value === "number" && !Number.isInteger(value));
  const decimals = hasFraction ? 2 : 0;
  const times = timeDigits(values);
  return values.map((value) => {
    if (value === undefined) return "";
    if (value === null) return "–";
    if (numeric)
      return typeof value === "number"
        ? formatNumber(value, exact ? 0 : decimals, exact ? 20 : decimals)
        : formatCount(String(value));
    if (typeof value === "object") return value.map(formatBin).join("  ");
    const text = printable(String(value));
    return times === undefined ? text : text.slice(0, times).replace("T", " ");
  });
}

/** `<0: 3`, `0–10: 5`, `≥10: 2`. */
function formatBin({ from, to, count }: AnswerBin): string {
  const range = from === null ? `<${to}` : to === null ? `≥${from}` : `${from}–${to}`;
  return `${range}: ${formatCount(count)}`;
}

function formatNumber(value: number, minDecimals: number, maxDecimals: number): string {
  return value.toLocaleString("en-US", {
    minimumFractionDigits: minDecimals,
    maximumFractionDigits: maxDecimals,
  });
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Whether a cell is an instant, as answers have them. */
export function isTime(value: AnswerValue | undefined): value is string {
  return typeof value === "string" && time.test(value);
}

/** Characters to keep of a column of UTC times: to the day, minute, second or millisecond, whichever tells all of it. */
function timeDigits(values: TableColumn["values"]): number | undefined {
  const texts = values.filter((value) => value !== null && value !== undefined);
  if (texts.length === 0 || !texts.every(isTime)) return undefined;
  const all = (suffix: string) => texts.every((text) => String(text).endsWith(suffix));
  if (all("T00:00:00.000Z")) return 10;
  if (all(":00.000Z")) return 16;
  return all(".000Z") ? 19 : 23;
}

/** Control characters of data must not reach the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
