import type { Where } from "../../../views/aggregates/count.ts";
import { offset } from "../../../views/cut.ts";
import { defineEvent, type EventType } from "../../../views/event.ts";
import type { Expression } from "../../../views/expression.ts";
import { eventTime } from "../../../views/expressions/time-expression.ts";
import type { BooleanExpression } from "../../../views/expressions/typed.ts";
import { recordType, withFormer } from "../../../views/recorded-type.ts";
import { defineView, type View } from "../../../views/view.ts";
import { aggregates } from "./aggregates.ts";
import { type Case, recordsOf, type Term } from "./case.ts";
import { eventType, formerSchema } from "./fields.ts";
import type { Operand } from "./operator-entry.ts";
import { operators } from "./operators.ts";
import { windows } from "./windows.ts";

type Fields = Readonly<Record<string, Expression<unknown>>>;

/** The event type as an app over the case's data folder has it under the former schema `index`, or under the present one. */
export function typeOf(c: Case, index = c.former?.length ?? 0): EventType {
  const present = eventType(c.duplicatesWithin);
  const { name, partitions, duplicatesWithin } = present;
  const schemas = (c.former ?? []).map((former) => ({
    schema: formerSchema(former),
    next: former.next.map((next, p) => offset(Math.min(next, recordsOf(c, p).length))),
  }));
  const { schema } = schemas[index] ?? {};
  const type =
    schema === undefined
      ? present
      : defineEvent({ name, partitions, duplicatesWithin, schema: schema as unknown as EventType["schema"] });
  return withFormer(type, recordType(type, schemas.slice(0, index)));
}

/** The view of a case, declared as an app would declare it. Its dimensions are d0, d1, …, its measures m0, m1, … */
export function declare(c: Case): View {
  const { view, duplicatesWithin } = c;
  const { dimensions, window, where, measures } = view;
  const whereOf = (term: Term | null, f: unknown): Where =>
    term === null ? {} : { where: expression(term, f as Fields) as BooleanExpression };
  const declared = defineView({
    name: "fuzz",
    from: eventType(duplicatesWithin),
    by: (f) => ({
      ...Object.fromEntries(
        dimensions.map((term, i) => [`d${i}`, expression(term, f as Fields) as Expression<string>]),
      ),
      ...(window === null ? {} : { pane: named(windows, window).declared() }),
    }),
    ...(where === null ? {} : { where: (f) => expression(where, f as Fields) as BooleanExpression }),
    measures: (f) =>
      Object.fromEntries(
        measures.map(({ aggregate, input, where }, i) => {
          const fields = f as Fields;
          // An aggregate that looks at no field is given one all the same, and passes over it.
          const over = expression(input ?? { kind: "field", name: "text" }, fields);
          return [`m${i}`, named(aggregates, aggregate).declared(over, whereOf(where, f))];
        }),
      ),
  });
  return c.former === undefined || c.former.length === 0 ? declared : { ...declared, from: typeOf(c) };
}

/** The entry of that name; throws where there is none, as in a case that was written down before it was renamed. */
export function named<T>(entries: Readonly<Record<string, T>>, name: string): T {
  const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
  if (entry === undefined) throw new Error(`"${name}" is none of ${Object.keys(entries).join(", ")}`);
  return entry;
}

function expression(term: Term, fields: Fields): Expression<unknown> {
  if (term.kind === "literal")
    throw new Error(`${JSON.stringify(term.value)} stands where an expression must`);
  if (term.kind === "eventTime") return eventTime().toInteger();
  if (term.kind === "field") return fields[term.name] as Expression<unknown>;
  const args = term.args.map(
    (arg): Operand => (arg.kind === "literal" ? arg.value : expression(arg, fields)),
  );
  return named(operators, term.operator).declared(args);
}
