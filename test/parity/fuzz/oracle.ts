import type { Value as Shown } from "../../../views/aggregate.ts";
import type { Scalar } from "../../../views/expression.ts";
import type { Shape } from "../../../views/shape.ts";
import { aggregates, type Input } from "./aggregates.ts";
import {
  type Case,
  type Datum,
  type EventCase,
  type FormerCase,
  formerAt,
  jsonOf,
  recordsOf,
  type SourceCase,
  sourcesOf,
  type TableCase,
  type Term,
  type Value,
} from "./case.ts";
import { firstValue, named } from "./declare.ts";
import { defaults, fields, itemFields, noTimes, shape } from "./fields.ts";
import { operators } from "./operators.ts";
import { timeIn } from "./time-text.ts";
import { type WindowEntry, windows } from "./windows.ts";

/** What a view must answer for a key, and how far each value may lie off. */
export interface ExpectedRow {
  /** By the measure's name. */
  readonly values: ReadonlyMap<string, { readonly value: Shown; readonly slack: number }>;
}

interface Member extends EventCase {
  readonly of: SourceCase;
  readonly partition: number;
  readonly offset: number;
  /** Its place in the list that rows are made of. */
  readonly element: number;
}

export function keyOf(dimensions: readonly Scalar[], pane: number): string {
  return jsonOf([dimensions, pane]);
}

/**
 * The answer of a case over all its records, by the words of the documentation, over plain arrays. It reads the case and
 * not the view made of it, and shares no code with either of the view's implementations.
 */
export function answer(c: Case, entry = windowOf(c)): ReadonlyMap<string, ExpectedRow> {
  if (c.table != null) return tableOf(c, c.table);
  const { measures } = c.view;
  const ofDimensions = new Map<string, { key: readonly Scalar[]; members: Member[] }>();
  const members = sourcesOf(c).flatMap((of) =>
    of.partitions.flatMap((_, partition) => countedIn(c, of, partition)),
  );
  for (const member of members.flatMap(elementsOf)) {
    const { dimensions, where } = member.of;
    if (where !== null && evaluate(where, member) !== true) continue;
    const key = dimensions.map((term) => evaluate(term, member));
    const group = ofDimensions.get(jsonOf(key));
    if (group === undefined) ofDimensions.set(jsonOf(key), { key, members: [member] });
    else group.members.push(member);
  }
  const groups = new Map<string, Member[]>();
  for (const { key, members } of ofDimensions.values()) {
    const inOrder = members.sort((a, b) => a.time - b.time);
    const panes = entry?.meant(inOrder.map(({ time }) => time)) ?? inOrder.map(() => 0);
    inOrder.forEach((member, i) => {
      for (const pane of [panes[i] ?? Number.NaN].flat()) {
        const row = keyOf(key, pane);
        groups.set(row, [...(groups.get(row) ?? []), member]);
      }
    });
  }
  const rows = new Map<string, ExpectedRow>();
  for (const [key, members] of groups) {
    const values = measures.map(({ aggregate }, i) => {
      const { meant, slack, takesNull } = named(aggregates, aggregate);
      const inputs = members.flatMap((member): Input[] => {
        const own = member.of.inputs[i];
        if (own == null || (own.where !== null && evaluate(own.where, member) !== true)) return [];
        const value = own.input === null ? true : evaluate(own.input, member);
        const { time, partition, offset, element } = member;
        const topic = member.of.place === "second" ? 0 : 1;
        return value === null && takesNull !== true
          ? []
          : [{ value, time, topic, partition, offset, element }];
      });
      const off = slack === undefined || inputs.length === 0 ? 0 : slack(inputs);
      return [`m${i}`, { value: meant(inputs), slack: off }] as const;
    });
    const over = entry?.isOfSessions ? ofSession(members, values[firstValue(measures)]?.[1].value) : [];
    rows.set(key, { values: new Map([...values, ...over]) });
  }
  return rows;
}

function windowOf({ view: { window } }: Case): Pick<WindowEntry, "meant" | "isOfSessions"> | undefined {
  return window === null ? undefined : named(windows, window);
}

/** The measures over sessions of `declare.ts`, of one session, and when it ends. A number beyond 2^53 is not known. */
function ofSession(members: readonly Member[], first: Shown | undefined) {
  const times = members.map(({ time }) => time);
  const [start, end] = [Math.min(...times), Math.max(...times)];
  const isKnown = first !== undefined && first !== null && typeof first !== "bigint";
  const values = {
    ...{ sessions: 1, known: Number(isKnown), meanLength: end - start, late: Number(end > start) },
    paneEnd: new Date(end).toISOString(),
  };
  return Object.entries(values).map(([name, value]) => [name, { value, slack: 0 }] as const);
}

/** Of each key whether there is a row, and the attributes of the last event by time, then partition, then offset. */
function tableOf(c: Case, { key, attributes, where, deleted }: TableCase): ReadonlyMap<string, ExpectedRow> {
  const latest = new Map<string, Member>();
  const members = sourcesOf(c).flatMap((of) =>
    of.partitions.flatMap((_, partition) => countedIn(c, of, partition)),
  );
  for (const member of members) {
    const value = evaluate(key, member);
    if (value === null || (where !== null && evaluate(where, member) !== true)) continue;
    const other = latest.get(keyOf([value], 0));
    if (other === undefined || isAfter(member, other)) latest.set(keyOf([value], 0), member);
  }
  return new Map(
    [...latest].map(([at, member]) => {
      const exists = deleted === null || evaluate(deleted, member) !== true;
      const values: [string, Shown][] = attributes.map((term, i) => [
        `a${i}`,
        exists ? evaluate(term, member) : null,
      ]);
      values.unshift(["exists", exists]);
      return [at, { values: new Map(values.map(([name, value]) => [name, { value, slack: 0 }])) }];
    }),
  );
}

function isAfter(a: Member, b: Member): boolean {
  if (a.time !== b.time) return a.time > b.time;
  return a.partition === b.partition ? a.offset > b.offset : a.partition > b.partition;
}

/** A record for each element of its list, which it holds as `item`; without a list itself. */
function elementsOf(member: Member): readonly Member[] {
  const { each } = member.of;
  if (each === undefined) return [member];
  const list = (valueIn(member.data, each) ?? []) as readonly Value[];
  return list.map((item, element) => ({ ...member, element, data: { ...member.data, item } }));
}

/** The records of a partition that are events and have no equal (source, id) among the N records before them. */
function countedIn(c: Case, of: SourceCase, partition: number): Member[] {
  const records = recordsOf(of, partition).map((record, offset) =>
    record === null ? null : asWritten(record, formersFrom(of, partition, offset)),
  );
  return records.flatMap((record, offset) => {
    if (record === null) return [];
    const before = records.slice(Math.max(0, offset - c.duplicatesWithin), offset);
    const isDuplicate = before.some((other) => other?.id === record.id && other.source === record.source);
    return isDuplicate ? [] : [{ ...record, of, partition, offset, element: 0 }];
  });
}

/** The former schemas from the one that the record was written under on; none if that was the present one. */
function formersFrom(of: SourceCase, partition: number, offset: number): readonly FormerCase[] {
  const former = formerAt(of, partition, offset);
  return former === undefined ? [] : of.former.slice(of.former.indexOf(former));
}

/**
 * A record is judged by the schema that it was written under; null if it was no event of that. Of a field that came later
 * it has the value if that is one that the field took when it came.
 */
function asWritten(record: EventCase, formers: readonly FormerCase[]): EventCase | null {
  const data: Record<string, Value> = {};
  const [own] = formers;
  for (const { name, optional, shape: present } of shape.members) {
    const first = formers.find(({ undeclared }) => !undeclared.includes(name));
    const declared: Shape = first?.integers.includes(name) ? { kind: "value", type: "integer" } : present;
    const isThere = Object.hasOwn(record.data, name);
    const value = record.data[name];
    if (value !== undefined && isOf(declared, value)) data[name] = value;
    else if (own?.undeclared.includes(name) !== true) {
      if (isThere || !optional || own?.required.includes(name)) return null;
    }
  }
  return { ...record, data };
}

/** What is required is there; a field may be missing, but not null; integers are safe, and times are times. */
function isOf(shape: Shape, value: Value | undefined): boolean {
  if (value === null || value === undefined) return false;
  if (shape.kind === "list")
    return (value as readonly Value[]).every((element) => isOf(shape.element, element));
  if (shape.kind === "object") {
    return shape.members.every(({ name, optional, shape }) =>
      Object.hasOwn(value as Datum, name) ? isOf(shape, (value as Datum)[name]) : optional,
    );
  }
  if (shape.type === "time") return !noTimes.includes(value as string);
  return shape.type === "integer" ? Number.isSafeInteger(value) : typeof value === shape.type;
}

/** By its path; undefined where there is nothing, be it that an object on the way is missing. */
function valueIn(data: Datum, path: string): Value | undefined {
  return path.split(".").reduce<Value | undefined>((value, name) => {
    const isThere = typeof value === "object" && value !== null && Object.hasOwn(value, name);
    return isThere ? (value as Datum)[name] : undefined;
  }, data);
}

const times = new Set(
  [
    ...fields,
    ...Object.values(itemFields)
      .flat()
      .filter(({ name }) => name !== "item"),
  ]
    .filter(({ type }) => type === "time")
    .map(({ name }) => name),
);

function isTime(name: string, { of: { each } }: Member): boolean {
  return times.has(name) || name === "seen" || (name === "item" && each === "seen");
}

/** A time is milliseconds; -0 is 0, wherever it comes from. */
function known(value: Value, isTime: boolean): Value {
  if (Array.isArray(value)) return value.map((element: Value) => known(element, isTime));
  if (isTime) return timeIn(value as string);
  return value === 0 ? 0 : value;
}

/** A missing field is its default, or null; -0 is 0, wherever it comes from. */
function evaluate(term: Term, event: Member): Scalar {
  switch (term.kind) {
    case "field": {
      const value = valueIn(event.data, term.name);
      if (value === undefined)
        return Object.entries(defaults).find(([name]) => name === term.name)?.[1] ?? null;
      // Operators of lists know that they are given an array.
      return known(value, isTime(term.name, event)) as Scalar;
    }
    case "eventTime":
      return event.time;
    case "literal":
      return term.value === 0 ? 0 : term.value;
    case "call":
      return named(operators, term.operator).meant(term.args.map((arg) => evaluate(arg, event)));
  }
}
