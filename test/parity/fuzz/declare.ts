import type { Aggregate } from "../../../views/aggregate.ts";
import { count, type Where } from "../../../views/aggregates/count.ts";
import { mean } from "../../../views/aggregates/mean.ts";
import type { Expression } from "../../../views/expression.ts";
import { eventTime } from "../../../views/expressions/time-expression.ts";
import type { BooleanExpression } from "../../../views/expressions/typed.ts";
import type { SessionFields } from "../../../views/sessions.ts";
import { defineView, type View } from "../../../views/view.ts";
import { aggregates } from "./aggregates.ts";
import type { Case, Term } from "./case.ts";
import { eventType } from "./fields.ts";
import type { Operand } from "./operator-entry.ts";
import { operators } from "./operators.ts";
import { windows } from "./windows.ts";

type Fields = Readonly<Record<string, Expression<unknown>>>;

/** The view of a case, declared as an app would declare it. Its dimensions are d0, d1, …, its measures m0, m1, … */
export function declare({ view, duplicatesWithin }: Case): View {
  const { dimensions, window, where, measures } = view;
  const whereOf = (term: Term | null, f: unknown): Where =>
    term === null ? {} : { where: expression(term, f as Fields) as BooleanExpression };
  return defineView({
    name: "fuzz",
    from: eventType(duplicatesWithin),
    by: (f) => ({
      ...Object.fromEntries(
        dimensions.map((term, i) => [`d${i}`, expression(term, f as Fields) as Expression<string>]),
      ),
      ...(window === null ? {} : { pane: named(windows, window).declared() }),
    }),
    ...(where === null ? {} : { where: (f) => expression(where, f as Fields) as BooleanExpression }),
    ...(window !== null && named(windows, window).isOfSessions ? { sessions: overSessions } : {}),
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
}

/** Measures over sessions, the same in every case; `oracle.ts` knows what they mean. */
function overSessions(s: SessionFields<Readonly<Record<string, Aggregate>>>) {
  return {
    sessions: count(),
    known: count({ where: s.m0?.isNotNull() ?? s.length.isNull() }),
    meanLength: mean(s.length),
    late: count({ where: s.end.toInteger().gt(s.start.toInteger()) }),
  };
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
