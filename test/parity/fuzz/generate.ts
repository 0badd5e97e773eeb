import fc from "fast-check";
import type { Scalar } from "../../../views/expression.ts";
import type { FieldType } from "../../../views/field.ts";
import { aggregates } from "./aggregates.ts";
import type { Case, InputCase, MeasureCase, Place, TableCase, Term, ViewCase } from "./case.ts";
import { formers } from "./evolution.ts";
import { events, fields, itemFields, type List, partitions, values } from "./fields.ts";
import type { OperatorEntry, Slot } from "./operator-entry.ts";
import { operators } from "./operators.ts";
import { windows } from "./windows.ts";

/**
 * Random cases, and by fast-check how they shrink. What a view can be made of is listed elsewhere, and only there: an
 * operator is one entry of a file that `operators.ts` lists, an aggregate of `aggregates.ts`, a window of `windows.ts`, each
 * with its meaning for the oracle; a type of field is one entry of `values` and a field of the schema in `fields.ts`. A
 * shape that is none of these (a session) needs a member in `case.ts`, a line in `declare.ts` and one in `oracle.ts`.
 */

/** The list whose elements make the rows. */
type Each = List | undefined;

const isLiterals = (slot: Slot): slot is readonly Scalar[] => Array.isArray(slot);

const deepest = 3;
const eventTimes: Readonly<Partial<Record<FieldType, readonly Term[]>>> = {
  integer: [{ kind: "eventTime" }],
  time: [{ kind: "eventTime", isTime: true }],
};
const memo = new Map<string, fc.Arbitrary<Term>>();

/** Expressions of a type that hold a field at least. Fields come first, so that shrinking ends with them. */
function terms(type: FieldType, depth: number, each: Each): fc.Arbitrary<Term> {
  const key = `${type} ${depth} ${each}`;
  let arbitrary = memo.get(key);
  if (arbitrary === undefined) {
    const there = each === undefined ? fields : [...itemFields[each], ...itemFields[each], ...fields];
    const names = there.filter((field) => field.type === type).map((field) => field.name);
    const own: Term[] = names.map((name) => ({ kind: "field", name }));
    const field = fc.constantFrom(...own, ...(eventTimes[type] ?? []));
    const calls = depth === 0 ? [] : callsTo(type, depth - 1, each);
    arbitrary = fc.oneof(
      { withCrossShrink: true },
      { weight: 2 + Math.ceil(calls.length / 3), arbitrary: field },
      ...calls,
    );
    memo.set(key, arbitrary);
  }
  return arbitrary;
}

function callsTo(result: FieldType, depth: number, each: Each): fc.Arbitrary<Term>[] {
  return Object.entries(operators)
    .filter(([, entry]) => entry.result === result)
    .map(([operator, entry]) => {
      const overloads = entry.signatures.map((types) =>
        fc.tuple(
          ...types.map((type, i) =>
            i === 0 ? ofSlot(type, depth, each) : argument(type, depth, entry.others, each),
          ),
        ),
      );
      return fc.oneof(...overloads).map((args): Term => ({ kind: "call", operator, args }));
    });
}

function argument(
  slot: Slot,
  depth: number,
  others: OperatorEntry["others"],
  each: Each,
): fc.Arbitrary<Term> {
  if (isLiterals(slot)) return fc.constantFrom(...slot).map((value) => literal(value));
  const term = ofSlot(slot, depth, each);
  if (typeof slot !== "string" || others === "expressions" || slot === "float" || slot === "condition")
    return term;
  const scalars = slot === "number" ? fc.oneof(values.integer, values.number) : values[slot];
  const literals = scalars.map((value) => literal(value, slot));
  return others === "literals" ? literals : fc.oneof(literals, term);
}

const literal = (value: Scalar, slot?: Slot): Term =>
  slot === "time" ? { kind: "literal", value, isTime: true } : { kind: "literal", value };

/** An expression. */
function ofSlot(slot: Slot, depth: number, each: Each): fc.Arbitrary<Term> {
  if (isLiterals(slot)) throw new Error("a literal stands where an expression must");
  if (typeof slot !== "string") return fc.constant({ kind: "field", name: slot.list });
  if (slot === "number") return fc.oneof(terms("integer", depth, each), terms("number", depth, each));
  return terms(slot === "float" ? "number" : slot === "condition" ? "boolean" : slot, depth, each);
}

const orNone = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 2 });

/** What a record of each of two sources has. */
interface Twice<T> {
  readonly first: T;
  readonly second: T;
}

const twice = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<Twice<T>> =>
  fc.record({ first: arbitrary, second: arbitrary });

const attribute = fc.oneof(
  terms("string", 1, undefined),
  terms("integer", 1, undefined),
  terms("boolean", 1, undefined),
);

const tables: fc.Arbitrary<TableCase> = fc.record({
  key: fc.oneof(terms("string", 1, undefined), terms("integer", 1, undefined)),
  attributes: fc.array(attribute, { minLength: 1, maxLength: 4 }),
  where: orNone(terms("boolean", deepest, undefined)),
  deleted: orNone(terms("boolean", deepest, undefined)),
});

interface TwiceMeasured extends Twice<InputCase> {
  readonly aggregate: string;
  /** What is added to it where there are two sources. */
  readonly from: "both" | "first" | "second";
}

/** The view of the first source, and what the second would have for it. */
function viewsOf(each: Each) {
  const condition = terms("boolean", deepest, each);
  const dimensions = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: twice(terms("string", 1, each)) },
      { weight: 2, arbitrary: twice(terms("integer", 1, each)) },
      { weight: 2, arbitrary: twice(terms("boolean", 1, each)) },
    ),
    { maxLength: 3 },
  );
  const measures = fc.oneof(
    ...Object.entries(aggregates).map(([aggregate, { input }]): fc.Arbitrary<TwiceMeasured> => {
      const own = fc.record({
        input: input === undefined ? fc.constant(null) : terms(input, 2, each),
        where: orNone(condition),
      });
      return fc.record({
        aggregate: fc.constant(aggregate),
        first: own,
        second: own,
        from: fc.constantFrom("both", "first", "second"),
      });
    }),
  );
  return fc
    .record({
      dimensions,
      window: orNone(fc.constantFrom(...Object.keys(windows))),
      where: twice(orNone(condition)),
      measures: fc.array(measures, { minLength: 1, maxLength: 4 }),
    })
    .map(({ dimensions, window, where, measures: all }) => {
      const measures = window !== null && windows[window]?.isOfSessions ? exactOf(all) : all;
      // Each source has one measure at least: where a source would have none, all are of both.
      const ofBoth = (["first", "second"] as const).some((none) =>
        measures.every(({ from }) => from === none),
      );
      const view: ViewCase = {
        ...(each === undefined ? {} : { each }),
        dimensions: dimensions.map(({ first }) => first),
        window,
        where: where.first,
        measures: measures.map(({ aggregate, first }): MeasureCase => ({ aggregate, ...first })),
      };
      const second = {
        dimensions: dimensions.map(({ second }) => second),
        where: where.second,
        inputs: measures.map(({ second, from }) => (from === "first" && !ofBoth ? null : second)),
        withoutFirst: measures.flatMap(({ from }, i) => (from === "second" && !ofBoth ? [i] : [])),
      };
      return { view, second };
    });
}

const views = fc.oneof(
  { withCrossShrink: true },
  { weight: 8, arbitrary: viewsOf(undefined) },
  { weight: 3, arbitrary: viewsOf("items") },
  ...(["tags", "sizes", "levels", "seen", "flags"] as const).map((each) => ({
    weight: 1,
    arbitrary: viewsOf(each),
  })),
);

/** Sessions are exact, and refuse what is not. */
function exactOf(measures: readonly TwiceMeasured[]): readonly TwiceMeasured[] {
  const exact = measures.filter(({ aggregate }) => !looseSums.has(aggregate));
  const none = { input: null, where: null };
  return exact.length > 0 ? exact : [{ aggregate: "count", first: none, second: none, from: "both" }];
}

const looseSums = new Set(["sumOfFloats", "meanOfFloats", "varianceOfFloats", "stddevOfFloats"]);

const records = fc.array(
  fc.oneof({ weight: 12, arbitrary: events }, { weight: 1, arbitrary: fc.constant(null) }),
  { maxLength: 12 },
);

const partitionsOf = (place: Place) => fc.array(records, { minLength: 1, maxLength: partitions[place] });

const cutsOf = (place: Place) =>
  fc.array(fc.oneof({ weight: 5, arbitrary: fc.nat(12) }, { weight: 1, arbitrary: fc.nat(4_000) }), {
    minLength: partitions[place],
    maxLength: partitions[place],
  });

const secondRecords = fc.record({
  isDeclaredFirst: fc.boolean(),
  partitions: partitionsOf("second"),
  cuts: cutsOf("second"),
});

export const cases: fc.Arbitrary<Case> = fc
  .record({
    declared: views,
    table: fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: tables }),
    duplicatesWithin: fc.constantFrom(3, 0, 1, 2, 65_536),
    recordsPerFile: fc.oneof(
      { weight: 4, arbitrary: fc.constant(1_000_000) },
      { weight: 1, arbitrary: fc.constant(4) },
    ),
    isMany: fc.oneof(
      { weight: 4, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    archiverChanges: fc.oneof(
      { weight: 7, arbitrary: fc.constant(false) },
      { weight: 1, arbitrary: fc.constant(true) },
    ),
    former: formers,
    repeat: fc.oneof(
      { withCrossShrink: true },
      { weight: 150, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.integer({ min: 2, max: 400 }) },
    ),
    partitions: partitionsOf("first"),
    cuts: cutsOf("first"),
    second: fc.oneof(
      { withCrossShrink: true },
      { weight: 2, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: secondRecords },
    ),
  })
  .map(({ declared, second, ...c }) => ({
    ...c,
    view: declared.view,
    // A table is of one event type.
    second: second === null || c.table !== null ? null : { ...declared.second, ...second },
  }));
