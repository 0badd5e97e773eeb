import type { Value } from "../views/aggregate.ts";
import type { Scalar } from "../views/expression.ts";
import type { SeriesRow } from "./fill.ts";
import type { Query } from "./parameters.ts";
import { madeValue, timeTexts } from "./present.ts";

/** Lines of CSV as RFC 4180 has it, ended by CR LF. Null is an empty field, an empty text is `""`. */
export interface Csv {
  readonly header: string;
  row(row: SeriesRow): string;
}

export function compileCsv({ view, columns, groupBy, buckets, measures, format }: Query): Csv {
  const text = format === "csv" ? (value: string) => field(guarded(value)) : field;
  const write = (value: Scalar | Value) => {
    if (value === null) return "";
    if (typeof value === "string") return text(value);
    return typeof value === "object" ? field(JSON.stringify(value)) : String(value);
  };
  const time = timeTexts(buckets);
  const names = [
    ...groupBy.map((i) => columns[i]?.name ?? ""),
    ...(view.window === undefined || buckets === undefined ? [] : [view.window.name]),
    ...measures.map(({ name }) => name),
  ];
  return {
    header: line(names),
    row: ({ dimensions, pane, cells, made }) =>
      line([
        ...groupBy.map((i) => write(dimensions[i] ?? null)),
        ...(buckets === undefined ? [] : [time(pane)]),
        ...measures.map(({ aggregate, firstCell }) =>
          write(made === undefined ? aggregate.present(cells, firstCell) : madeValue(aggregate, made)),
        ),
      ]),
  };
}

function line(fields: readonly string[]): string {
  return `${fields.join(",")}\r\n`;
}

function field(text: string): string {
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A spreadsheet takes what begins so for a formula, which could send away what stands around it; "'" makes it a text. */
function guarded(text: string): string {
  return /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
}
