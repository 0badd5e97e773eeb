import type { Attribute } from "../../views/dimension-table.ts";
import { csvRecords } from "./csv.ts";
import { checkedValue, type FileRow, missingColumn, noValue, valueOfText } from "./file-columns.ts";

/** Throws an error of the file. */
type Fail = (reason: string) => never;

/** Rows of a CSV text whose first record names the columns. */
export function* csvRows(text: string, columns: readonly Attribute[], fail: Fail): Generator<FileRow> {
  let header: readonly string[] | undefined;
  let places: readonly number[] = [];
  for (const { line, fields } of csvRecords(text, (at, reason) => fail(`line ${at}: ${reason}`))) {
    if (header === undefined) {
      const names = fields;
      const twice = names.find((name, i) => names.indexOf(name) !== i);
      if (twice !== undefined) fail(`line ${line}: two columns are named "${twice}"`);
      places = columns.map(({ name }) => {
        const at = names.indexOf(name);
        return at === -1 ? fail(missingColumn(name, names)) : at;
      });
      header = names;
      continue;
    }
    const place = `line ${line}`;
    if (fields.length !== header.length) {
      fail(`${place}: there are ${fields.length} fields; the first line names ${header.length} columns`);
    }
    const values = columns.map((column, i) => {
      const given = fields[places[i] ?? -1] ?? "";
      const value = valueOfText(column, given);
      return value === undefined ? fail(noValue(place, column, given)) : value;
    });
    yield { place, values };
  }
  if (header === undefined) fail("it is empty; its first line must name the columns");
}

/** Rows of a text with one JSON object per line. A column is missing if no line has it. */
export function* ndjsonRows(text: string, columns: readonly Attribute[], fail: Fail): Generator<FileRow> {
  let line = 0;
  const unseen = new Set(columns.map(({ name }) => name));
  const names = new Set<string>();
  for (const textOfLine of text.split("\n")) {
    line++;
    if (textOfLine.trim() === "") continue;
    const place = `line ${line}`;
    const object = objectOf(textOfLine) ?? fail(`${place} is no JSON object`);
    if (unseen.size > 0) {
      for (const name of Object.keys(object)) {
        unseen.delete(name);
        names.add(name);
      }
    }
    const values = columns.map((column) => {
      const given = Object.hasOwn(object, column.name) ? object[column.name] : undefined;
      const value = checkedValue(column, given);
      return value === undefined ? fail(noValue(place, column, given)) : value;
    });
    yield { place, values };
  }
  const [missing] = unseen;
  if (missing !== undefined && names.size > 0) fail(missingColumn(missing, [...names]));
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}
