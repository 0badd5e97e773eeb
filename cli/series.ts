import type { AnswerRow, AnswerValue } from "./answers.ts";
import { narrowed, sparkline } from "./sparkline.ts";
import { isTime, type TableColumn } from "./table.ts";

const widest = 60;

/** Rows that are told apart by time, and the column that does. */
export interface SeriesRows {
  readonly rows: readonly AnswerRow[];
  readonly time: string;
  readonly measures: readonly string[];
}

/** The column of times that a series runs along; undefined where rows have none. */
export function timeColumn(rows: readonly AnswerRow[]): string | undefined {
  return Object.keys(rows[0] ?? {}).find((name) => rows.every((row) => isTime(row[name])));
}

/** A line for each group and measure: its course, where it begins and ends, its least and its greatest. */
export function seriesColumns({ rows, time, measures }: SeriesRows): TableColumn[] {
  const times = [...new Set(rows.map((row) => String(row[time])))].sort();
  const dimensions = Object.keys(rows[0] ?? {}).filter((name) => name !== time && !measures.includes(name));
  const groups = new Map<string, AnswerRow[]>();
  for (const row of rows) {
    const key = JSON.stringify(dimensions.map((name) => row[name]));
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const lines = [...groups.values()].flatMap((group) => {
    const byTime = new Map(group.map((row) => [String(row[time]), row]));
    return measures.map((measure, i) => {
      const values = times.map((at) => numberIn(byTime.get(at)?.[measure]));
      const known = values.filter((value) => value !== undefined);
      return { first: group[0], measure, isFirst: i === 0, values, known };
    });
  });
  const figure = (title: string, of: (known: readonly number[]) => number | undefined): TableColumn => ({
    ...{ title, align: "right", exact: true },
    values: lines.map(({ known }) => rounded(of(known))),
  });
  return [
    ...dimensions.map((title) => ({
      title,
      values: lines.map(({ first, isFirst }) => (isFirst ? first?.[title] : undefined)),
    })),
    { title: "measure", values: lines.map(({ measure }) => measure) },
    { title: "course", values: lines.map(({ values }) => sparkline(narrowed(values, widest))) },
    figure("first", (known) => known[0]),
    figure("last", (known) => known.at(-1)),
    figure("least", (known) => known.reduce<number | undefined>((a, b) => Math.min(a ?? b, b), undefined)),
    figure("most", (known) => known.reduce<number | undefined>((a, b) => Math.max(a ?? b, b), undefined)),
  ];
}

/** To what a terminal has room for. */
function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Math.round(value * 100) / 100;
}

/** An integer that JSON can't carry exactly comes as its digits. */
function numberIn(value: AnswerValue | undefined): number | undefined {
  if (typeof value === "number") return value;
  return typeof value === "string" && /^-?\d{16,}$/.test(value) ? Number(value) : undefined;
}
