import {
  DuckDBArrayValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from "@duckdb/node-api";

/** Digits that a double has room for, whatever they are. */
const doubleDigits = 15;

/**
 * A value of a result as JSON. What JSON has no number for goes as text: whole numbers beyond ±(2^53 − 1), decimals of more
 * than fifteen digits, NaN and infinities. So does what it has no type for: instants as RFC 3339, all else as DuckDB writes it.
 */
export function cellJson(value: DuckDBValue): string {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? String(value) : `"${value}"`;
    case "bigint":
      return isSafe(value) ? String(value) : `"${value}"`;
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return String(value);
  }
  if (value === null) return "null";
  if (value instanceof DuckDBDecimalValue) {
    const text = value.toString();
    return text.replace(/\D/g, "").length <= doubleDigits ? String(Number(text)) : `"${text}"`;
  }
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    return `[${value.items.map(cellJson).join(",")}]`;
  }
  if (value instanceof DuckDBStructValue) {
    const members = Object.entries(value.entries);
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${cellJson(member)}`).join(",")}}`;
  }
  if (value instanceof DuckDBMapValue) {
    const pairs = value.entries.map((pair) => `[${cellJson(pair.key)},${cellJson(pair.value)}]`);
    return `[${pairs.join(",")}]`;
  }
  return JSON.stringify(instantText(value) ?? String(value));
}

/** The same as a field of CSV (RFC 4180): texts as they are, null as nothing. */
export function cellCsv(value: DuckDBValue): string {
  if (value === null) return "";
  const json = cellJson(value);
  const text = json.startsWith('"') ? (JSON.parse(json) as string) : json;
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function isSafe(value: bigint): boolean {
  return value >= -9007199254740991n && value <= 9007199254740991n;
}

/** With "Z" what is an instant, without it what is a clock's time; undefined for what is neither, or lies out of range. */
function instantText(value: DuckDBValue): string | undefined {
  const micros = microsOf(value);
  if (micros === undefined) return undefined;
  const millis = (micros - (((micros % 1_000n) + 1_000n) % 1_000n)) / 1_000n;
  const date = new Date(Number(millis));
  if (Number.isNaN(date.getTime())) return undefined;
  const rest = Number(micros - millis * 1_000n);
  const text = date.toISOString().slice(0, -1) + (rest === 0 ? "" : String(rest).padStart(3, "0"));
  return value instanceof DuckDBTimestampTZValue ? `${text}Z` : text;
}

/** Nanoseconds are left to DuckDB's own text, which keeps them. */
function microsOf(value: DuckDBValue): bigint | undefined {
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return value.micros;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * 1_000n;
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1_000_000n;
  return undefined;
}
