import type { Value } from "../../../views/aggregate.ts";
import type { Scalar } from "../../../views/expression.ts";
import { aggregates, type Input } from "./aggregates.ts";
import { type Case, type EventCase, jsonOf, recordsOf, type Term } from "./case.ts";
import { named } from "./declare.ts";
import { fields } from "./fields.ts";
import { operators } from "./operators.ts";
import { windows } from "./windows.ts";

/** What a view must answer for a key, and how far each value may lie off. */
export interface ExpectedRow {
  readonly values: readonly { readonly value: Value; readonly slack: number }[];
}

interface Member extends EventCase {
  readonly partition: number;
  readonly offset: number;
}

export function keyOf(dimensions: readonly Scalar[], pane: number): string {
  return jsonOf([dimensions, pane]);
}

/**
 * The answer of a case over all its records, by the words of the documentation, over plain arrays. It reads the case and
 * not the view made of it, and shares no code with either of the view's implementations.
 */
export function answer(c: Case): ReadonlyMap<string, ExpectedRow> {
  const { dimensions, window, where, measures } = c.view;
  const entry = window === null ? undefined : named(windows, window);
  const ofDimensions = new Map<string, { key: readonly Scalar[]; members: Member[] }>();
  for (const member of c.partitions.flatMap((_, partition) => countedIn(c, partition))) {
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
      const row = keyOf(key, panes[i] ?? Number.NaN);
      groups.set(row, [...(groups.get(row) ?? []), member]);
    });
  }
  const rows = new Map<string, ExpectedRow>();
  for (const [key, members] of groups) {
    const values = measures.map(({ aggregate, input, where }) => {
      const inputs = members
        .filter((member) => where === null || evaluate(where, member) === true)
        .flatMap((member): Input[] => {
          const value = input === null ? true : evaluate(input, member);
          const { time, partition, offset } = member;
          return value === null ? [] : [{ value, time, partition, offset }];
        });
      const { meant, slack } = named(aggregates, aggregate);
      return { value: meant(inputs), slack: slack === undefined || inputs.length === 0 ? 0 : slack(inputs) };
    });
    rows.set(key, { values: entry?.isOfSessions ? [...values, ...ofSession(members, values[0])] : values });
  }
  return rows;
}

/** The measures over sessions of `declare.ts`, of one session, and then when it ends. A number beyond 2^53 is not known. */
function ofSession(members: readonly Member[], first: { readonly value: Value } | undefined) {
  const times = members.map(({ time }) => time);
  const [start, end] = [Math.min(...times), Math.max(...times)];
  const isKnown = first !== undefined && first.value !== null && typeof first.value !== "bigint";
  const values = [1, Number(isKnown), end - start, Number(end > start), new Date(end).toISOString()];
  return values.map((value) => ({ value, slack: 0 }));
}

/** The records of a partition that are events and have no equal (source, id) among the N records before them. */
function countedIn(c: Case, partition: number): Member[] {
  const records = recordsOf(c, partition).map((record) =>
    record !== null && isValid(record) ? record : null,
  );
  return records.flatMap((record, offset) => {
    if (record === null) return [];
    const before = records.slice(Math.max(0, offset - c.duplicatesWithin), offset);
    const isDuplicate = before.some((other) => other?.id === record.id && other.source === record.source);
    return isDuplicate ? [] : [{ ...record, partition, offset }];
  });
}

/** A field may be missing, but not null; integers are safe. */
function isValid({ data }: EventCase): boolean {
  return fields.every(({ name, type }) => {
    const value = Object.hasOwn(data, name) ? data[name] : undefined;
    return (
      value !== null && (type !== "integer" || Math.abs((value ?? 0) as number) <= Number.MAX_SAFE_INTEGER)
    );
  });
}

/** A missing field is null; -0 is 0, wherever it comes from. */
function evaluate(term: Term, event: EventCase): Scalar {
  switch (term.kind) {
    case "field": {
      const value = Object.hasOwn(event.data, term.name) ? (event.data[term.name] ?? null) : null;
      return value === 0 ? 0 : value;
    }
    case "eventTime":
      return event.time;
    case "literal":
      return term.value === 0 ? 0 : term.value;
    case "call":
      return named(operators, term.operator).meant(term.args.map((arg) => evaluate(arg, event)));
  }
}
