import type { Aggregate, AggregateOf } from "./aggregate.ts";
import type { Elements } from "./elements.ts";
import type { EventType, FieldsOf } from "./event.ts";
import type { Expression } from "./expression.ts";
import type { BooleanExpression } from "./expressions/typed.ts";
import type { By } from "./view.ts";

export type Measures = Readonly<Record<string, Aggregate>>;

/** How the events of one type become rows of a view. */
export interface SourceDeclaration<E extends EventType | Elements, B extends By, M extends Measures> {
  /** What rows are told apart by: fields, and at most one window. */
  readonly by: (fields: FieldsOf<E>) => B;
  /** Only records for which this is true count. */
  readonly where?: (fields: FieldsOf<E>) => BooleanExpression;
  readonly measures: (fields: FieldsOf<E>) => M;
}

/** What the sources of a view must have in common: the names of their dimensions, and the types. */
export type KeyOf<B extends By> = {
  readonly [K in keyof B]: B[K] extends Expression<infer T> ? T : "window";
};

/** One of the event types of a view of several, with its mapping to the view's dimensions and measures. */
export interface Source {
  readonly kind: "source";
  readonly event: EventType | Elements;
  readonly by: (fields: never) => By;
  readonly where?: (fields: never) => BooleanExpression;
  readonly measures: (fields: never) => Measures;
}

export interface SourceOf<
  Key,
  Measured extends string,
  Texts extends string = never,
  Booleans extends string = never,
> extends Source {
  /** Never there: they carry the types. Invariant, so that no key passes for a lesser one. */
  readonly keyType?: (key: Key) => Key;
  readonly measuredType?: Measured;
  readonly textsType?: Texts;
  readonly booleansType?: Booleans;
}

/** The names of the measures whose values are of this type; a histogram, which is no value, is among those of each. */
export type NamesShowing<M extends Measures, T> = {
  [K in keyof M & string]: "shows" extends keyof M[K]
    ? M[K] extends { readonly shows?: infer S }
      ? [Exclude<S, undefined>] extends [T]
        ? K
        : never
      : never
    : never;
}[keyof M & string];

/** The measures of all sources, by the names of those that show something else than numbers. */
export type MergedMeasures<Measured extends string, Texts extends string, Booleans extends string> = {
  readonly [K in Measured]: AggregateOf<
    K extends Texts & Booleans ? never : K extends Texts ? string : K extends Booleans ? boolean : number
  >;
};

/** `source(click, { by, measures })`: a source of a view of several event types, for its `from`. */
export function source<E extends EventType | Elements, B extends By, M extends Measures>(
  event: E,
  declaration: SourceDeclaration<E, B, M>,
): SourceOf<KeyOf<B>, keyof M & string, NamesShowing<M, string>, NamesShowing<M, boolean>> {
  const { by, where, measures } = declaration;
  return Object.freeze({
    kind: "source",
    event,
    by,
    ...(where === undefined ? {} : { where }),
    measures,
  });
}
