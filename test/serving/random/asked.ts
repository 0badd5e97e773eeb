import type { Random } from "../../fault/random.ts";
import type { Column, Subject } from "./subjects.ts";

export type Value = string | number | null;

export interface AskedFilter {
  readonly column: Column;
  readonly values: readonly Value[];
  readonly not: readonly Value[];
  readonly prefixes: readonly string[];
  readonly from: Value | undefined;
  readonly to: Value | undefined;
}

/** A question to the rows API. */
export interface Asked {
  readonly subject: Subject;
  readonly filters: readonly AskedFilter[];
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly granularity: string | undefined;
  readonly tz: string | undefined;
  /** Columns in their own order; undefined: the parameter is left out. */
  readonly groupBy: readonly string[] | undefined;
  readonly isByTime: boolean;
  readonly measures: readonly string[];
  readonly orderBy: readonly string[];
  readonly limit: number | undefined;
  readonly layer: "merged" | "batch" | "speed";
  readonly fill: "zero" | "null" | "previous" | undefined;
  readonly totals: boolean;
}

/** Values that the records have, by column, and the times between which they are. */
export interface Sample {
  readonly values: ReadonlyMap<string, readonly Value[]>;
  readonly firstMs: number;
  readonly nextMs: number;
}

const zones = ["America/New_York", "Europe/Berlin", "Asia/Tokyo", "Pacific/Auckland"];

export function randomQuery(random: Random, subject: Subject, sample: Sample): Asked {
  const pick = <T>(choices: readonly T[]): T => choices[random.whole(0, choices.length)] as T;
  const some = <T>(all: readonly T[], share: number) => all.filter(() => random.chance(share));
  const { window } = subject;
  const columns = [...subject.dimensions, ...subject.attributes];
  // One key, as most queries ask for, or anything.
  const isPoint = random.chance(0.25);
  const filters = columns.flatMap((column): AskedFilter[] => {
    const isDimension = subject.dimensions.includes(column);
    if (isPoint ? !isDimension : !random.chance(isDimension ? 0.45 : 0.12)) return [];
    return [isPoint ? oneOf(column) : anyFilter(column)];
  });
  const range =
    window === undefined || random.chance(0.35) ? [undefined, undefined] : randomRange(window.paneMs);
  const granularity = window === undefined || random.chance(0.45) ? undefined : pick(granularitiesOf(window));
  const isCalendar = granularity === "1d" || granularity === "1w" || granularity === "1mo";
  const isHourly = window !== undefined && window.paneMs <= 3_600_000;
  const tz = isCalendar && isHourly && random.chance(0.6) ? pick(zones) : undefined;
  const namesGroup = random.chance(0.6);
  const isByTime =
    window !== undefined &&
    granularity !== "all" &&
    (!namesGroup || granularity !== undefined || random.chance(0.5));
  const grouped = namesGroup
    ? [...some(subject.dimensions, 0.5), ...some(subject.attributes, 0.2)]
    : subject.dimensions;
  const groupBy = grouped.map(({ name }) => name);
  const measures = some(subject.measures, 0.6);
  const shown = measures.length === 0 ? subject.measures : measures;
  const orderable = [
    ...groupBy,
    ...(isByTime && window !== undefined ? [window.name] : []),
    ...subject.measures.filter(({ about }) => about === undefined).map(({ name }) => name),
  ];
  const orderBy = random.chance(0.5)
    ? shuffled(orderable)
        .slice(0, random.whole(1, 4))
        .map((name) => (random.chance(0.5) ? `-${name}` : name))
    : [];
  const canFill = isByTime && !(window?.isSession === true && granularity === undefined);
  const fill = canFill && random.chance(0.3) ? pick(["zero", "null", "previous"] as const) : undefined;
  return {
    ...{ subject, filters, from: range[0], to: range[1], granularity, tz, isByTime, orderBy },
    groupBy: namesGroup ? groupBy : undefined,
    measures: shown.map(({ name }) => name),
    // A series of every key of every hour would be most of what there is to read.
    limit: fill !== undefined || random.chance(0.5) ? pick([1, 2, 7, 30]) : undefined,
    layer: pick(["merged", "merged", "merged", "batch", "speed"]),
    fill,
    totals: random.chance(0.25),
  };

  function shuffled<T>(all: readonly T[]): readonly T[] {
    return all
      .map((one) => ({ one, at: random.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ one }) => one);
  }

  function anyValue(column: Column): Value {
    const values = sample.values.get(column.name) ?? [];
    if (random.chance(0.05)) return column.type === "string" ? "zz no such" : 99;
    if (column.nullable && random.chance(0.15)) return null;
    return pick(values);
  }

  function oneOf(column: Column): AskedFilter {
    return { column, values: [anyValue(column)], not: [], prefixes: [], from: undefined, to: undefined };
  }

  function anyFilter(column: Column): AskedFilter {
    const values = () => Array.from({ length: random.whole(1, 4) }, () => anyValue(column));
    const has = { values: random.chance(0.4), not: random.chance(0.25), range: random.chance(0.35) };
    const [a, b] = [anyValue(column), anyValue(column)].sort(compare);
    const [from, to] = has.range && a !== null && b !== null ? [a, b] : [undefined, undefined];
    const hasPrefix = column.type === "string" && random.chance(0.35);
    const starts = () => [...String(anyValue(column) ?? "")].slice(0, random.whole(0, 3)).join("");
    return {
      column,
      values: has.values ? values() : [],
      not: has.not ? values() : [],
      prefixes: hasPrefix ? Array.from({ length: random.whole(1, 3) }, starts) : [],
      from: random.chance(0.7) ? from : undefined,
      to: random.chance(0.7) ? to : undefined,
    };
  }

  function randomRange(paneMs: number): readonly (number | undefined)[] {
    const panes = Math.ceil((sample.nextMs - sample.firstMs) / paneMs);
    const base = Math.floor(sample.firstMs / paneMs) * paneMs;
    const length = random.chance(0.5) ? 0.05 : 0.6;
    const first = random.whole(-Math.ceil(panes * 0.05), panes);
    const next = first + Math.floor(random.next() * panes * length);
    return [
      random.chance(0.85) ? base + first * paneMs : undefined,
      random.chance(0.85) ? base + next * paneMs : undefined,
    ];
  }
}

function granularitiesOf({ paneMs, isSession }: NonNullable<Subject["window"]>): readonly string[] {
  if (isSession) return ["1h", "1d", "1w", "36h", "all"];
  return paneMs === 3_600_000
    ? ["1h", "5h", "1d", "1d", "1w", "1mo", "all"]
    : ["1d", "2d", "1w", "1mo", "all"];
}

/** The order of answers. */
function compare(a: Value, b: Value): number {
  if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return (a === null ? -1 : Number(a)) - (b === null ? -1 : Number(b));
}

export function urlOf(asked: Asked, more: Readonly<Record<string, string>> = {}): string {
  const parameters = new URLSearchParams(more);
  const written = (column: Column, value: Value) =>
    column.nullable && typeof value === "string" ? JSON.stringify(value) : String(value);
  for (const { column, values, not, prefixes, from, to } of asked.filters) {
    const { name } = column;
    for (const value of values) parameters.append(name, written(column, value));
    for (const value of not) parameters.append(`${name}:not`, written(column, value));
    for (const prefix of prefixes) parameters.append(`${name}:prefix`, written(column, prefix));
    if (from !== undefined) parameters.append(`${name}:from`, written(column, from));
    if (to !== undefined) parameters.append(`${name}:to`, written(column, to));
  }
  const { subject, from, to, granularity, tz, groupBy, isByTime, measures, orderBy, fill } = asked;
  const time = isByTime && subject.window !== undefined ? [subject.window.name] : [];
  const set = (name: string, value: string | number | undefined) =>
    value === undefined ? undefined : parameters.set(name, String(value));
  set("from", from === undefined ? undefined : new Date(from).toISOString());
  set("to", to);
  set("granularity", granularity);
  set("tz", tz);
  set("groupBy", groupBy && [...groupBy, ...time].join(","));
  set("measures", measures.join(","));
  if (orderBy.length > 0) set("orderBy", orderBy.join(","));
  set("layer", asked.layer);
  set("fill", fill);
  if (asked.totals) set("totals", "true");
  set("limit", asked.limit ?? 100_000);
  return `/v1/views/${subject.view}/rows?${parameters}`;
}
