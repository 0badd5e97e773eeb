import type { Aggregate } from "../../../views/aggregate.ts";
import { count, type Where } from "../../../views/aggregates/count.ts";
import { mean } from "../../../views/aggregates/mean.ts";
import { offset } from "../../../views/cut.ts";
import { defineDimension } from "../../../views/dimension-table.ts";
import { type Elements, each } from "../../../views/elements.ts";
import { defineEvent, type EventType } from "../../../views/event.ts";
import type { Expression } from "../../../views/expression.ts";
import type { ListExpression } from "../../../views/expressions/list.ts";
import { eventTime } from "../../../views/expressions/time-expression.ts";
import type { BooleanExpression } from "../../../views/expressions/typed.ts";
import { overTypes } from "../../../views/mapping.ts";
import { recordType, withFormer } from "../../../views/recorded-type.ts";
import type { SessionFields } from "../../../views/sessions.ts";
import { source } from "../../../views/source.ts";
import { defineView, type View } from "../../../views/view.ts";
import { aggregates } from "./aggregates.ts";
import {
  type Case,
  type Place,
  recordsOf,
  type SourceCase,
  sourcesOf,
  type TableCase,
  type Term,
  type ViewCase,
} from "./case.ts";
import { eventType, formerSchema } from "./fields.ts";

import type { Operand } from "./operator-entry.ts";
import { operators } from "./operators.ts";
import { windows } from "./windows.ts";

type Fields = Readonly<Record<string, Expression<unknown>>>;

/** An event type as an app over the case's data folder has it under its former schema `index`, or under the present one. */
export function typeOf(c: Case, place: Place = "first", index?: number): EventType {
  const present = eventType(c.duplicatesWithin, place);
  const own = sourcesOf(c).find((each) => each.place === place);
  const { name, partitions, duplicatesWithin } = present;
  const schemas = (own?.former ?? []).map((former) => ({
    schema: formerSchema(former),
    next: former.next.map((next, p) =>
      offset(Math.min(next, own === undefined ? 0 : recordsOf(own, p).length)),
    ),
  }));
  if (schemas.length === 0) return present;
  const { schema } = schemas[index ?? schemas.length] ?? {};
  const type =
    schema === undefined
      ? present
      : defineEvent({ name, partitions, duplicatesWithin, schema: schema as unknown as EventType["schema"] });
  return withFormer(type, recordType(type, schemas.slice(0, index)));
}

/** The view of a case, declared as an app would declare it. Its dimensions are d0, d1, …, its measures m0, m1, … */
export function declare(c: Case): View {
  if (c.table != null) return overTypes(declareTable(c.table, c.duplicatesWithin).view, () => typeOf(c));
  const { window } = c.view;
  const over =
    window !== null && named(windows, window).isOfSessions ? { sessions: overSessions(c.view) } : {};
  const [first, second] = sourcesOf(c).map((each) => declareSource(c, each));
  if (first === undefined || second === undefined) {
    const from = fromOf(c, "first");
    return overTypes(defineView({ name: "fuzz", from, ...(first as Declared), ...over }), () => typeOf(c));
  }
  const sources = [source(fromOf(c, "first"), first), source(fromOf(c, "second"), second)];
  const from = c.second?.isDeclaredFirst === true ? sources.reverse() : sources;
  return overTypes(defineView({ name: "fuzz", from, ...over }), ({ name }) =>
    typeOf(c, name === eventType(c.duplicatesWithin).name ? "first" : "second"),
  );
}

/** The events, or the elements of a list in them. */
function fromOf({ duplicatesWithin, view: { each: list } }: Case, place: Place): EventType | Elements {
  const type: EventType = eventType(duplicatesWithin, place);
  if (list === undefined) return type;
  return each(
    type,
    (f) => (f as never as Readonly<Record<string, ListExpression<unknown>>>)[list] as ListExpression<unknown>,
  );
}

type Declared = ReturnType<typeof declareSource>;

function declareSource({ view: { window, measures } }: Case, { dimensions, where, inputs }: SourceCase) {
  const whereOf = (term: Term | null, f: unknown): Where =>
    term === null ? {} : { where: expression(term, f as Fields) as BooleanExpression };
  return {
    by: (f: unknown) => ({
      ...Object.fromEntries(
        dimensions.map((term, i) => [`d${i}`, expression(term, f as Fields) as Expression<string>]),
      ),
      ...(window === null ? {} : { pane: named(windows, window).declared() }),
    }),
    ...(where === null ? {} : { where: (f: unknown) => expression(where, f as Fields) as BooleanExpression }),
    measures: (f: unknown) =>
      Object.fromEntries(
        measures.flatMap(({ aggregate }, i) => {
          const own = inputs[i];
          if (own == null) return [];
          // An aggregate that looks at no field is given one all the same, and passes over it.
          const over = expression(own.input ?? { kind: "field", name: "text" }, f as Fields);
          return [[`m${i}`, named(aggregates, aggregate).declared(over, whereOf(own.where, f))]];
        }),
      ),
  };
}

/** Measures over sessions, the same in every case; `oracle.ts` knows what they mean. */
function overSessions({ measures }: ViewCase) {
  const first = firstValue(measures);
  return (s: SessionFields<Readonly<Record<string, Aggregate>>>) => ({
    sessions: count(),
    known: count({
      where: (first === -1 ? s.length.isNull() : s[`m${first}`]?.isNotNull()) as BooleanExpression,
    }),
    meanLength: mean(s.length),
    late: count({ where: s.end.gt(s.start) }),
  });
}

/** Index of the first measure that those over sessions can name: a histogram is no value to compute with. -1: none. */
export function firstValue(measures: ViewCase["measures"]): number {
  return measures.findIndex(({ aggregate }) => !aggregate.startsWith("histogram"));
}

/** Its attributes are a0, a1, … */
export function declareTable({ key, attributes, where, deleted }: TableCase, duplicatesWithin: number) {
  const condition = (term: Term) => (f: unknown) => expression(term, f as Fields) as BooleanExpression;
  return defineDimension({
    name: "fuzz-table",
    from: eventType(duplicatesWithin),
    key: (f) => expression(key, f as Fields) as Expression<string>,
    attributes: (f) =>
      Object.fromEntries(
        attributes.map((term, i) => [`a${i}`, expression(term, f as Fields) as Expression<string>]),
      ),
    ...(where === null ? {} : { where: condition(where) }),
    ...(deleted === null ? {} : { deleted: condition(deleted) }),
  });
}

/** The entry of that name; throws where there is none, as in a case that was written down before it was renamed. */
export function named<T>(entries: Readonly<Record<string, T>>, name: string): T {
  const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
  if (entry === undefined) throw new Error(`"${name}" is none of ${Object.keys(entries).join(", ")}`);
  return entry;
}

/** A time now as a Date, now as a text. */
function literal({ value, isTime }: Term & { readonly kind: "literal" }): Operand {
  if (isTime !== true || typeof value !== "number") return value;
  const time = new Date(value);
  return value % 2 === 0 ? time : time.toISOString();
}

function expression(term: Term, fields: Fields): Expression<unknown> {
  if (term.kind === "literal")
    throw new Error(`${JSON.stringify(term.value)} stands where an expression must`);
  if (term.kind === "eventTime") return term.isTime === true ? eventTime() : eventTime().toInteger();
  if (term.kind === "field") {
    return term.name
      .split(".")
      .reduce<unknown>((f, name) => (f as Fields)[name], fields) as Expression<unknown>;
  }
  const args = term.args.map(
    (arg): Operand => (arg.kind === "literal" ? literal(arg) : expression(arg, fields)),
  );
  return named(operators, term.operator).declared(args);
}
