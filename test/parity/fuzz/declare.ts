import type { Where } from "../../../views/aggregates/count.ts";
import { type Elements, each } from "../../../views/elements.ts";
import type { EventType } from "../../../views/event.ts";
import type { Expression } from "../../../views/expression.ts";
import type { ListExpression } from "../../../views/expressions/list.ts";
import { eventTime } from "../../../views/expressions/time-expression.ts";
import type { BooleanExpression } from "../../../views/expressions/typed.ts";
import { source } from "../../../views/source.ts";
import { defineView, type View } from "../../../views/view.ts";
import { aggregates } from "./aggregates.ts";
import { type Case, type Place, type SourceCase, sourcesOf, type Term } from "./case.ts";
import { eventType } from "./fields.ts";
import type { Operand } from "./operator-entry.ts";
import { operators } from "./operators.ts";
import { windows } from "./windows.ts";

type Fields = Readonly<Record<string, Expression<unknown>>>;

/** The view of a case, declared as an app would declare it. Its dimensions are d0, d1, …, its measures m0, m1, … */
export function declare(c: Case): View {
  const [first, second] = sourcesOf(c).map((each) => declareSource(c, each));
  if (first === undefined || second === undefined) {
    return defineView({ name: "fuzz", from: fromOf(c, "first"), ...(first as Declared) });
  }
  const sources = [source(fromOf(c, "first"), first), source(fromOf(c, "second"), second)];
  return defineView({ name: "fuzz", from: c.second?.isDeclaredFirst === true ? sources.reverse() : sources });
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
