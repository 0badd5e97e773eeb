import { formatValue, numberOf } from "../figures.ts";
import { type Outcome, type OutcomeRow, sharesOf } from "./outcome.ts";

/** What a chart over time draws: values by moment, a line or a layer each. */
export interface Series {
  readonly kind: "stacked" | "lines";
  /** Seconds since 1970, rising. */
  readonly times: readonly number[];
  readonly lines: readonly { readonly label: string; readonly values: readonly (number | null)[] }[];
  /** How many groups there are that are not drawn. */
  readonly left: number;
}

const mostLines = 6;

/** Undefined: the rows have no time, or fewer than two moments. */
export function seriesOf(outcome: Outcome): Series | undefined {
  const { question, rows } = outcome;
  const time = question.view.window?.name;
  if (time === undefined || !question.groupBy.includes(time)) return undefined;
  const times = [...new Set(rows.map(({ key }) => Date.parse(String(key[time])) / 1_000))].sort(
    (a, b) => a - b,
  );
  if (times.length < 2) return undefined;
  const at = new Map(times.map((moment, i) => [moment, i]));
  const place = (row: OutcomeRow) => at.get(Date.parse(String(row.key[time])) / 1_000) ?? 0;
  const others = question.groupBy.filter((name) => name !== time);
  return others.length === 0 ? oneSeries(outcome, times, place) : lineByGroup(outcome, others, times, place);
}

function oneSeries(outcome: Outcome, times: readonly number[], place: (row: OutcomeRow) => number): Series {
  const { question, rows } = outcome;
  const blank = () => times.map((): number | null => null);
  const [all, batch] = [blank(), blank()];
  let isStacked = true;
  for (const row of rows) {
    const shares = sharesOf(question, row);
    isStacked &&= shares !== undefined;
    all[place(row)] = numberOf(row.values[question.charted.name]) ?? null;
    if (row.batch !== undefined) {
      batch[place(row)] = shares?.batch ?? numberOf(row.batch?.[question.charted.name]) ?? null;
    }
  }
  const name = question.charted.name;
  if (isStacked) {
    return {
      kind: "stacked",
      times,
      lines: [
        { label: "batch and speed", values: all },
        { label: "batch", values: batch },
      ],
      left: 0,
    };
  }
  const withBatch = batch.some((value) => value !== null);
  const lines = [
    { label: name, values: all },
    ...(withBatch ? [{ label: "batch alone", values: batch }] : []),
  ];
  return { kind: "lines", times, lines, left: 0 };
}

/** The groups that have most of it over all moments. */
function lineByGroup(
  { question, rows }: Outcome,
  others: readonly string[],
  times: readonly number[],
  place: (row: OutcomeRow) => number,
): Series {
  const groups = new Map<string, { total: number; values: (number | null)[] }>();
  for (const row of rows) {
    const label = others.map((name) => formatValue(row.key[name])).join(" · ");
    const group = groups.get(label) ?? { total: 0, values: times.map(() => null) };
    const value = numberOf(row.values[question.charted.name]);
    group.values[place(row)] = value ?? null;
    group.total += Math.abs(value ?? 0);
    groups.set(label, group);
  }
  const ordered = [...groups].sort(([, a], [, b]) => b.total - a.total);
  const lines = ordered.slice(0, mostLines).map(([label, { values }]) => ({ label, values }));
  return { kind: "lines", times, lines, left: Math.max(0, groups.size - mostLines) };
}
