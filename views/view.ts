import type { Aggregate, Measure } from "./aggregate.ts";
import { type Derivation, derivations, derivedAggregate } from "./derived.ts";
import { type Elements, sourceOfView } from "./elements.ts";
import { TidemarkError } from "./errors.ts";
import type { EventType, FieldsOf } from "./event.ts";
import { type Existence, isVisibleMeasure, viewOfExisting, withDeletion } from "./existence.ts";
import type { Expression } from "./expression.ts";
import type { BooleanExpression } from "./expressions/typed.ts";
import type { FieldType } from "./field.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { type Flip, type FlipDeclaration, readFlip } from "./flip.ts";
import { type Layers, readLayers } from "./layers.ts";
import type { Mapping, ViewPartition } from "./mapping.ts";
import { type DeclaredMapping, mergeMappings } from "./merged-mappings.ts";
import { type Reference, type References, readReferences } from "./reference.ts";
import type { DeclaredView, KeyTypes, MeasureTypes, SharedKeyTypes } from "./row-types.ts";
import type { PieceKind } from "./session-pieces.ts";
import { isOfSessions, type ReadSessions, readSessions, sessionView } from "./session-view.ts";
import type { SessionFields, SessionState } from "./sessions.ts";
import {
  type Measures,
  type MergedMeasures,
  type Source,
  type SourceDeclaration,
  type SourceOf,
  source,
} from "./source.ts";
import { type Cell, copyCell, type StateColumn } from "./state.ts";
import { familyPattern, greatestVersion, type VersionedName, viewName } from "./version.ts";
import { cellsOf, finish } from "./view-columns.ts";
import { readBy, requireDistinctNames } from "./view-key.ts";
import type { Window } from "./window.ts";

/** The hash of what a view means: equal for two declarations exactly when their states mean the same. */
export type Fingerprint = string & { readonly __brand: "Fingerprint" };

export interface Dimension {
  readonly name: string;
  readonly type: FieldType;
  readonly nullable: boolean;
}

/** The windowed dimension: rows carry the first instant of their pane under this name. */
export interface WindowDimension {
  readonly name: string;
  readonly window: Window;
}

/** A frozen declaration; both layers are made from it. A view's key is its dimensions' values and its pane. */
export interface View {
  readonly kind: "view";
  /** In every store: that of the family, with the version behind if that is not the first. */
  readonly name: string;
  /** The name that it is declared by, which all its versions share. */
  readonly family: string;
  /** From 1. It is no part of the meaning, nor of the fingerprint. */
  readonly version: number;
  /** Nor is this. */
  readonly layers: Layers;
  /** Whether its rows are told to others as they change; no part of the meaning either. */
  readonly publish: boolean;
  /** How it takes over its family's name; nor is this. */
  readonly flip: Flip;
  /** What it makes of the events of each of its types, in order of the topics' names; at least one. */
  readonly mappings: readonly Mapping[];
  /** Of all its topics, in that order. Wherever the tail says "partition" of a view, it is a place in this list. */
  readonly partitions: readonly ViewPartition[];
  /** In the order of `by`, without the window: also the order in which the index is sorted. */
  readonly dimensions: readonly Dimension[];
  /** Undefined: one pane, which starts at 0 and has no column. */
  readonly window: WindowDimension | undefined;
  readonly measures: readonly Measure[];
  /** Which dimensions are keys of dimension tables. They change no state, so they are not in the fingerprint. */
  readonly references: readonly Reference[];
  /** All measures' state columns, flat, named `<measure>.<column>`. */
  readonly columns: readonly StateColumn[];
  /** The columns, by index, whose cells are sketches. */
  readonly sketchColumns: readonly number[];
  readonly fingerprint: Fingerprint;
  /** Set where the window is of sessions; `measures` is then what is kept of them, and rows are shown as `shown` says. */
  readonly sessions: Sessions | undefined;
  /** Set where rows can be deleted; see `existence.ts`. */
  readonly existence: Existence | undefined;
}

/** How the sessions of a view are shown; see `session-rows.ts`. */
export interface Sessions extends PieceKind {
  /** Its rows are sessions, each in a pane of its own that is named by its start. */
  readonly shown: View;
  readonly stateOf: SessionState;
}

/** The view as queries see it: sessions as rows of their own, of rows that can be deleted those shown, otherwise itself. */
export function shownView(view: View): View {
  return (view.sessions ?? view.existence)?.shown ?? view;
}

export type By = Readonly<
  Record<string, Expression<string> | Expression<number> | Expression<boolean> | Window>
>;

/** A view of several event types: each source has its own mapping to the same dimensions. */
export interface SourcesDeclaration<
  Key,
  Measured extends string,
  Texts extends string,
  Booleans extends string,
> {
  readonly from: readonly SourceOf<Key, Measured, Texts, Booleans>[];
}

/** A view of one event type, or of the elements of its lists, mapped here, or of several. */
export type ViewDeclaration<
  E extends EventType | Elements,
  B extends By,
  M extends Measures,
  Key = unknown,
  Measured extends string = never,
  Texts extends string = never,
  Booleans extends string = never,
  S extends Measures = Readonly<Record<never, Aggregate>>,
  Name extends string = string,
  D extends Readonly<Record<string, Derivation>> = Readonly<Record<string, Derivation>>,
  Version extends number = number,
> = (
  | (SourceDeclaration<E, B, M> & {
      readonly from: E;
      /**
       * Records that end their key's row, until a later one: of a key's records it is the last in the log that says whether
       * its row is shown. All records of a key belong into one partition for that: tell rows apart by the event's key.
       */
      readonly deleted?: (fields: FieldsOf<E>) => BooleanExpression;
    })
  | SourcesDeclaration<Key, Measured, Texts, Booleans>
) & {
  readonly name: Name;
  /** A later one stands beside those before it, and takes over the name by a flip. Default 1. */
  readonly version?: Version;
  /** `"batch"`: generations alone, no tail is kept; `"speed"`: a tail of all records, no generation is made. Default `"both"`. */
  readonly layers?: Layers;
  /** In a cluster, each row that changes goes to a topic of Kafka, for others to read. Default false. */
  readonly publish?: boolean;
  /**
   * Of a later version: whether it takes over the name by itself, after so many batch runs that found no drift in it, and only
   * if so few rows differ from the active version's: `{ when: { cleanRuns: 3, changedShare: 0.01 } }`. Default `"manual"`.
   */
  readonly flip?: FlipDeclaration;
  /** Measures over sessions, where the window is one of sessions: `(s) => ({ bounces: count({ where: s.pages.eq(1) }) })`. */
  readonly sessions?: (session: SessionFields<M & MergedMeasures<Measured, Texts, Booleans>>) => S;
  /** Dimensions that are keys of a dimension table: rows can be filtered and grouped by its attributes. */
  readonly references?: References<NoInfer<B>>;
  /** Measures that are computed from others when they are shown: `(m) => ({ rate: m.clicks.dividedBy(m.views) })`. */
  readonly derived?: (
    measures: { readonly [K in (keyof M & string) | Measured | (keyof NoInfer<S> & string)]: Derivation },
  ) => D;
};

/** Declares a view: one SQL query and one fold. Throws TIDEMARK_DECLARATION_* for what is not supported. */
export function defineView<
  E extends EventType | Elements,
  B extends By,
  M extends Measures = Readonly<Record<never, Aggregate>>,
  Key = unknown,
  Measured extends string = never,
  Texts extends string = never,
  Booleans extends string = never,
  S extends Measures = Readonly<Record<never, Aggregate>>,
  const Name extends string = string,
  D extends Readonly<Record<string, Derivation>> = Readonly<Record<never, Derivation>>,
  const Version extends number = 1,
>(
  declaration: ViewDeclaration<E, B, M, Key, Measured, Texts, Booleans, S, Name, D, Version>,
): DeclaredView<
  VersionedName<Name, Version>,
  unknown extends Key ? KeyTypes<NoInfer<B>> : SharedKeyTypes<NoInfer<Key>>,
  MeasureTypes<NoInfer<M> & MergedMeasures<Measured, Texts, Booleans> & NoInfer<S>> & {
    readonly [K in keyof NoInfer<D>]: number | null;
  },
  Name
> {
  const { name: family, version = 1 } = declaration;
  if (!familyPattern.test(family)) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_NAME",
      `view "${family}" must be named in lower-case letters, digits and "-", e.g. "airport-hours"`,
    );
  }
  if (!Number.isInteger(version) || version < 1 || version > greatestVersion) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_VIEW",
      `view "${family}": its version must be a whole number from 1 to ${greatestVersion}, not ${version}`,
    );
  }
  const name = viewName(family, version);
  const layers = readLayers(name, declaration.layers);
  const flip = readFlip({ name, version, layers }, declaration.flip);
  const { from } = declaration as { from: E | readonly Source[] };
  const isOne = "kind" in from;
  const sources = isOne ? [source(from, withDeletion(declaration as SourceDeclaration<E, B, M>))] : from;
  const misplaced = ["by", "where", "measures", "deleted"].find((part) => !isOne && part in declaration);
  if (misplaced !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_VIEW",
      `view "${name}" is from several sources and has "${misplaced}" of its own: ${misplaced === "deleted" ? "only rows of one event type can be deleted" : "give it to each source"}`,
    );
  }
  const {
    dimensions,
    window,
    mappings,
    measures: measured,
  } = mergeMappings(
    name,
    sources.map((each) => readSource(name, each)),
  );
  const sessions = readSessions(name, window, measured, declaration.sessions as ReadSessions | undefined);
  const all = [...measured, ...sessions];
  const isDeletable = !all.every(isVisibleMeasure);
  const derived = declaration.derived?.(derivations(name, all.filter(isVisibleMeasure)) as never) ?? {};
  const measures = Object.freeze([...all, ...readDerived(all, derived)]);
  requireDistinctNames(name, [
    ...dimensions,
    ...(window === undefined ? [] : [window]),
    ...measures.filter(isVisibleMeasure),
  ]);
  const fingerprint = fingerprintOf({ mappings, window, measures: measured });
  const references = readReferences(name, dimensions, declaration.references ?? {});
  const view = {
    kind: "view",
    ...{ name, family, version, layers, flip },
    publish: requirePublishable(name, window, declaration.publish),
    mappings,
    dimensions,
    window,
    measures,
    references,
    fingerprint,
  } as const;
  const finished = isDeletable
    ? viewOfExisting(view)
    : window === undefined || !isOfSessions(window)
      ? finish(view)
      : sessionView({ ...view, window }, measured, sessions);
  return finished as View & { readonly name: VersionedName<Name, Version>; readonly family: Name };
}

/** A row that is told must be one that is stored: others are put together from several when they are asked for. */
function requirePublishable(view: string, window: WindowDimension | undefined, publish = false): boolean {
  const kind = window?.window.kind;
  if (!publish || (kind !== "session" && kind !== "sliding")) return publish;
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_WINDOW",
    `view "${view}" can't be published: rows of ${kind === "session" ? "sessions" : "sliding windows"} are put together when they are asked for; publish a view with another window, or follow this one with live=true`,
  );
}

function readSource(view: string, { event: from, by, where, measures }: Source): DeclaredMapping {
  const { event, list, fields: all } = sourceOfView(from);
  const fields = all as never;
  return {
    event,
    list,
    ...readBy(view, by(fields)),
    where: where?.(fields).node,
    aggregates: measures(fields),
  };
}

function readDerived(
  measured: readonly Measure[],
  derived: Readonly<Record<string, Derivation>>,
): readonly Measure[] {
  const firstCell = cellsOf(measured);
  return Object.entries(derived).map(([name, derivation]) =>
    Object.freeze({ name, aggregate: derivedAggregate(derivation), firstCell }),
  );
}

/** A new state: the identity of merge. */
export function zeroState(view: View): Cell[] {
  return view.columns.map((column) => column.zero);
}

/** A state of one's own, to merge into: the cells of another's row may change later, or belong to a store. */
export function copyState(view: View, cells: readonly Cell[]): Cell[] {
  const copy = cells.slice();
  for (const i of view.sketchColumns) copy[i] = copyCell(copy[i] ?? null);
  return copy;
}

/** How far the cell of column `at` may lie off in another order of adding, as the state itself bounds it; mostly 0. */
export function noiseOf(view: View, cells: readonly Cell[], at: number): number {
  const measure = view.measures.findLast(({ firstCell }) => firstCell <= at);
  return measure?.aggregate.noise?.(cells, measure.firstCell)[at - measure.firstCell] ?? 0;
}

/** Merges state `b` into state `a`, both flat over the view's columns. */
export function mergeState(view: View, a: Cell[], b: readonly Cell[]): void {
  for (const { aggregate, firstCell } of view.measures) aggregate.merge(a, firstCell, b, firstCell);
}
