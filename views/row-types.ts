import type { App } from "./app.ts";
import type { Expression } from "./expression.ts";
import type { By, View } from "./view.ts";

/** A view that carries the types of its rows, for the compiler only: what clients know of it. */
export interface DeclaredView<
  Name extends string = string,
  Key = unknown,
  Shown = unknown,
  Family extends string = string,
> extends View {
  readonly name: Name;
  readonly family: Family;
  readonly rowTypes?: { readonly key: Key; readonly measures: Shown };
}

/** An app that carries the types of its views. */
export interface DeclaredApp<Views extends readonly View[] = readonly View[]> extends App {
  readonly viewTypes?: Views;
}

/** A number; a whole one beyond ±(2^53 − 1) is its decimal text, and so is what JSON has no number for. */
export type ShownNumber = number | string | null;

/** What tells rows apart: values of fields, and the first instant of the window. */
export type KeyTypes<B extends By> = {
  readonly [K in keyof B]: B[K] extends Expression<infer T> ? T | null : string;
};

/** The same of a view of several sources, by what they have in common. */
export type SharedKeyTypes<Key> = {
  readonly [K in keyof Key]: Key[K] extends "window" ? string : Key[K] | null;
};

/** What is shown of aggregates, by what they say of themselves. */
export type MeasureTypes<M> = {
  readonly [K in keyof M]: "shows" extends keyof M[K]
    ? M[K] extends { readonly shows?: infer T }
      ? Exclude<T, undefined> extends number
        ? ShownNumber
        : Exclude<T, undefined> | null
      : never
    : ShownNumber;
};
