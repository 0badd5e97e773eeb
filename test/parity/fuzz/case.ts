import type { Scalar } from "../../../views/expression.ts";

/**
 * A case of the parity fuzz as plain data: a view, the records of its topics, and a cut. What it is made of goes by the
 * names in `operators.ts`, `aggregates.ts` and `windows.ts`, so that a case can be written down and run again.
 */
export interface Case {
  readonly view: ViewCase;
  /** Instead of the view, where it is given: the view that keeps a dimension table of the records. */
  readonly table?: TableCase | null;
  /** N of the duplicate rule. */
  readonly duplicatesWithin: number;
  /** Most offsets that a file of the master dataset covers. */
  readonly recordsPerFile: number;
  /** Computed as if there were too many records to gather anything of each; left out: as many as there are. */
  readonly isMany?: boolean;
  /** Whether another archiver goes on halfway to the cut, as after a restart. */
  readonly archiverChanges: boolean;
  /** What the event type was before, oldest first; in cases that were written down before there was this, left out. */
  readonly former?: readonly FormerCase[];
  /** How many times each partition's records stand in it, each time under other ids. */
  readonly repeat: number;
  readonly partitions: readonly (readonly RecordCase[])[];
  /** By partition; one that lies past the end means the end. */
  readonly cuts: readonly number[];
  /** Absent or null: the view is of one event type. */
  readonly second?: SecondSource | null;
}

/** Another event type that the view is from, with records of its own. */
export interface SecondSource {
  /** As many as the view has, of the same types. */
  readonly dimensions: readonly Term[];
  readonly where: Term | null;
  /** By the view's measures, what of these records is added; null: nothing. */
  readonly inputs: readonly (InputCase | null)[];
  /** The view's measures to which nothing of the first source is added. */
  readonly withoutFirst: readonly number[];
  readonly isDeclaredFirst: boolean;
  readonly partitions: readonly (readonly RecordCase[])[];
  readonly cuts: readonly number[];
}

/** A former schema: how it differs from the present one, and which records were written under it. */
export interface FormerCase {
  /** By partition, the first offset that was not; one that lies past the end means the end. */
  readonly next: readonly number[];
  /** How far an archiver of that time came, likewise; at most up to `next`. */
  readonly archived: readonly number[];
  /** Fields that it did not have yet. */
  readonly undeclared: readonly string[];
  /** Floats that had to be integers. */
  readonly integers: readonly string[];
  /** Optional fields that were required. */
  readonly required: readonly string[];
}

export interface ViewCase {
  /** The list whose elements make the rows, in every source. */
  readonly each?: string;
  readonly dimensions: readonly Term[];
  readonly window: string | null;
  readonly where: Term | null;
  readonly measures: readonly MeasureCase[];
}

export interface TableCase {
  readonly key: Term;
  readonly attributes: readonly Term[];
  readonly where: Term | null;
  readonly deleted: Term | null;
}

export interface InputCase {
  readonly input: Term | null;
  readonly where: Term | null;
}

export interface MeasureCase extends InputCase {
  readonly aggregate: string;
}

/** What a case makes of one event type, and its records. */
export interface SourceCase
  extends Pick<SecondSource, "dimensions" | "where" | "inputs" | "partitions" | "cuts">,
    Pick<Case, "repeat">,
    Pick<ViewCase, "each"> {
  readonly place: Place;
  readonly former: readonly FormerCase[];
}

export type Place = "first" | "second";

/** The first, then the second if there is one. */
export function sourcesOf(c: Case): readonly SourceCase[] {
  const { view, second, partitions, cuts, repeat, former = [] } = c;
  const inputs = view.measures.map((measure, i) =>
    second?.withoutFirst.includes(i) === true ? null : measure,
  );
  const { dimensions, where } = view;
  const each = view.each === undefined ? {} : { each: view.each };
  const first: SourceCase = {
    ...{ place: "first", ...each, dimensions, where, inputs, partitions, cuts, repeat, former },
  };
  return second == null ? [first] : [first, { ...second, ...each, place: "second", repeat: 1, former: [] }];
}

/** What an event's data or an object in it holds. A time is its text. */
export interface Datum {
  readonly [name: string]: Value;
}

export type Value = Scalar | Datum | readonly Value[];

/** An expression, described. A field in an object goes by its path, `ad.campaign`. */
export type Term =
  | { readonly kind: "field"; readonly name: string }
  /** A number of milliseconds, or the time itself. */
  | { readonly kind: "eventTime"; readonly isTime?: true }
  /** Of a time: its milliseconds. */
  | { readonly kind: "literal"; readonly value: Scalar; readonly isTime?: true }
  | { readonly kind: "call"; readonly operator: string; readonly args: readonly Term[] };

/** Null: bytes that are no event at all. */
export type RecordCase = {
  readonly source: string;
  readonly id: string;
  readonly time: number;
  /** Minutes east of UTC that the time is written in. */
  readonly zone: number;
  readonly data: Datum;
  /** What stands instead under names that the schema of the time did not know. */
  readonly early?: Datum;
} | null;

export type EventCase = Exclude<RecordCase, null>;

/** The records of a partition as they stand in the log. */
export function recordsOf(source: Recorded, partition: number): readonly RecordCase[] {
  return repeated(source, partition).map((record, offset) => {
    const names = formerAt(source, partition, offset)?.undeclared ?? [];
    if (record?.early === undefined || names.length === 0) return record;
    const early = Object.entries(record.early).filter(([name]) => names.includes(name));
    return { ...record, data: { ...record.data, ...Object.fromEntries(early) } };
  });
}

type Recorded = Pick<SourceCase, "partitions" | "repeat" | "former">;

/** The schema that a record was written under; undefined: the present one. */
export function formerAt(
  { former }: Pick<SourceCase, "former">,
  partition: number,
  offset: number,
): FormerCase | undefined {
  return former.find(({ next }) => offset < (next[partition] ?? 0));
}

function repeated({ partitions, repeat }: Recorded, partition: number): readonly RecordCase[] {
  const once = partitions[partition] ?? [];
  if (repeat === 1) return once;
  return Array.from({ length: repeat }, (_, round) =>
    once.map((record) => record && { ...record, id: `${record.id}#${round}` }),
  ).flat();
}

export function cutOf(source: SourceCase, partition: number): number {
  return Math.min(source.cuts[partition] ?? 0, recordsOf(source, partition).length);
}

/** JSON as `JSON.stringify` has it, except that -0 stays what it is. */
export function jsonOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([name, member]) => `${JSON.stringify(name)}:${jsonOf(member)}`,
    );
    return `{${members.join(",")}}`;
  }
  if (typeof value === "bigint") return `${value}`;
  return Object.is(value, -0) ? "-0" : JSON.stringify(value);
}
