import type { Value as Shown } from "../../../views/aggregate.ts";
import type { Scalar } from "../../../views/expression.ts";
import type { Shape } from "../../../views/shape.ts";
import { aggregates, type Input } from "./aggregates.ts";
import {
  type Case,
  type Datum,
  type EventCase,
  jsonOf,
  recordsOf,
  type SourceCase,
  sourcesOf,
  type Term,
  type Value,
} from "./case.ts";
import { named } from "./declare.ts";
import { fields, itemFields, noTimes, shape } from "./fields.ts";
import { operators } from "./operators.ts";
import { timeIn } from "./time-text.ts";
import { windows } from "./windows.ts";

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
export function answer(c: Case): ReadonlyMap<string, ExpectedRow> {
  const { window, measures } = c.view;
  const groups = new Map<string, Member[]>();
  const members = sourcesOf(c).flatMap((of) =>
    of.partitions.flatMap((_, partition) => countedIn(c, of, partition)),
  );
  for (const member of members.flatMap(elementsOf)) {
    const { dimensions, where } = member.of;
    if (where !== null && evaluate(where, member) !== true) continue;
    const pane = window === null ? 0 : named(windows, window).meant(member.time);
    const key = keyOf(
      dimensions.map((term) => evaluate(term, member)),
      pane,
    );
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [member]);
    else group.push(member);
  }
  const rows = new Map<string, ExpectedRow>();
  for (const [key, members] of groups) {
    const values = measures.map(({ aggregate }, i) => {
      const inputs = members.flatMap((member): Input[] => {
        const own = member.of.inputs[i];
        if (own == null || (own.where !== null && evaluate(own.where, member) !== true)) return [];
        const value = own.input === null ? true : evaluate(own.input, member);
        const { time, partition, offset, element } = member;
        const topic = member.of.place === "second" ? 0 : 1;
        return value === null ? [] : [{ value, time, topic, partition, offset, element }];
      });
      const { meant, slack } = named(aggregates, aggregate);
      const off = slack === undefined || inputs.length === 0 ? 0 : slack(inputs);
      return [`m${i}`, { value: meant(inputs), slack: off }] as const;
    });
    rows.set(key, { values: new Map(values) });
  }
  return rows;
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
  const records = recordsOf(of, partition).map((record) =>
    record !== null && isValid(record) ? record : null,
  );
  return records.flatMap((record, offset) => {
    if (record === null) return [];
    const before = records.slice(Math.max(0, offset - c.duplicatesWithin), offset);
    const isDuplicate = before.some((other) => other?.id === record.id && other.source === record.source);
    return isDuplicate ? [] : [{ ...record, of, partition, offset, element: 0 }];
  });
}

/** What is required is there; a field may be missing, but not null; integers are safe, and times are times. */
function isValid({ data }: EventCase): boolean {
  return isOf(shape, data);
}

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
  return shape.type !== "integer" || Math.abs(value as number) <= Number.MAX_SAFE_INTEGER;
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

/** A missing field is null; -0 is 0, wherever it comes from. */
function evaluate(term: Term, event: Member): Scalar {
  switch (term.kind) {
    case "field": {
      const value = valueIn(event.data, term.name);
      // Operators of lists know that they are given an array.
      return value === undefined ? null : (known(value, isTime(term.name, event)) as Scalar);
    }
    case "eventTime":
      return event.time;
    case "literal":
      return term.value === 0 ? 0 : term.value;
    case "call":
      return named(operators, term.operator).meant(term.args.map((arg) => evaluate(arg, event)));
  }
}
