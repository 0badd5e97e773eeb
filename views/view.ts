import { createHash } from "node:crypto";
import type { Aggregate, Measure } from "./aggregate.ts";
import { type Derivation, derivations, derivedAggregate } from "./derived.ts";
import { type Elements, sourceOfView } from "./elements.ts";
import { TidemarkError } from "./errors.ts";
import type { EventType } from "./event.ts";
import { describeNode, Expression } from "./expression.ts";
import type { FieldType } from "./field.ts";
import { type MappedDimension, type Mapping, partitionsOf, type ViewPartition } from "./mapping.ts";
import { type DeclaredMapping, mergeMappings } from "./merged-mappings.ts";
import { type Reference, type References, readReferences } from "./reference.ts";
import { sessionMeasure } from "./session-measure.ts";
import type { PieceKind } from "./session-pieces.ts";
import {
  compileSessionState,
  type SessionFields,
  type SessionState,
  sessionEnd,
  sessionFields,
} from "./sessions.ts";
import {
  type Measures,
  type MergedMeasures,
  type Source,
  type SourceDeclaration,
  type SourceOf,
  source,
} from "./source.ts";
import { type Cell, copyCell, type StateColumn, stateFormat } from "./state.ts";
import type { SessionWindow, Window } from "./window.ts";

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
  readonly name: string;
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
}

/** How the sessions of a view are shown; see `session-rows.ts`. */
export interface Sessions extends PieceKind {
  /** Its rows are sessions, each in a pane of its own that is named by its start. */
  readonly shown: View;
  readonly stateOf: SessionState;
}

/** The view as queries see it: of sessions their own rows, otherwise the view itself. */
export function shownView(view: View): View {
  return view.sessions?.shown ?? view;
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
> = (
  | (SourceDeclaration<E, B, M> & { readonly from: E })
  | SourcesDeclaration<Key, Measured, Texts, Booleans>
) & {
  readonly name: string;
  /** Measures over sessions, where the window is one of sessions: `(s) => ({ bounces: count({ where: s.pages.eq(1) }) })`. */
  readonly sessions?: (session: SessionFields<M & MergedMeasures<Measured, Texts, Booleans>>) => S;
  /** Dimensions that are keys of a dimension table: rows can be filtered and grouped by its attributes. */
  readonly references?: References<NoInfer<B>>;
  /** Measures that are computed from others when they are shown: `(m) => ({ rate: m.clicks.dividedBy(m.views) })`. */
  readonly derived?: (
    measures: { readonly [K in (keyof M & string) | Measured | (keyof NoInfer<S> & string)]: Derivation },
  ) => Readonly<Record<string, Derivation>>;
};

/** Names that a query gives its own meaning to. */
export const reservedNames: ReadonlySet<string> = new Set([
  ...[
    "from",
    "to",
    "granularity",
    "tz",
    "groupBy",
    "measures",
    "orderBy",
    "limit",
    "cursor",
    "layer",
    "after",
  ],
  ...["asOf", "differing", "explain", "fill", "live", "totals", "timeout"],
]);

/** Names that stand beside the dimensions in the rows of a comparison. */
const comparedNames: ReadonlySet<string> = new Set(["batch", "speed", "merged", "difference"]);

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
>(declaration: ViewDeclaration<E, B, M, Key, Measured, Texts, Booleans, S>): View {
  const { name } = declaration;
  if (!/^[a-z][a-z0-9-]{0,99}$/.test(name)) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_NAME",
      `view "${name}" must be named in lower-case letters, digits and "-", e.g. "airport-hours"`,
    );
  }
  const { from } = declaration as { from: E | readonly Source[] };
  const isOne = "kind" in from;
  const sources = isOne ? [source(from, declaration as SourceDeclaration<E, B, M>)] : from;
  const misplaced = ["by", "where", "measures"].find((part) => !isOne && part in declaration);
  if (misplaced !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_VIEW",
      `view "${name}" is from several sources and has "${misplaced}" of its own: give it to each source`,
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
  const derived = declaration.derived?.(derivations(name, all) as never) ?? {};
  const measures = Object.freeze([...all, ...readDerived(all, derived)]);
  requireDistinctNames(name, [...dimensions, ...(window === undefined ? [] : [window]), ...measures]);
  const fingerprint = fingerprintOf({ mappings, window, measures: measured });
  const references = readReferences(name, dimensions, declaration.references ?? {});
  const view = {
    kind: "view",
    name,
    mappings,
    dimensions,
    window,
    measures,
    references,
    fingerprint,
  } as const;
  if (window === undefined || !isOfSessions(window)) return finish(view);
  return sessionView({ ...view, window }, measured, sessions);
}

type ReadSessions = (session: SessionFields<Measures>) => Measures;

function finish(
  view: Omit<View, "partitions" | "columns" | "sketchColumns" | "sessions">,
  sessions?: Sessions,
): View {
  const columns = columnsOf(view.measures);
  return Object.freeze({
    ...view,
    partitions: Object.freeze(partitionsOf(view.mappings)),
    columns,
    sketchColumns: Object.freeze(columns.flatMap(({ type }, i) => (type === "sketch" ? [i] : []))),
    sessions,
  });
}

function columnsOf(measures: readonly Measure[]): readonly StateColumn[] {
  const columns = measures.flatMap(({ name, aggregate }) =>
    aggregate.state.map(
      (column): StateColumn => Object.freeze({ ...column, name: `${name}.${column.name}` }),
    ),
  );
  return Object.freeze(columns);
}

type OfSessions = WindowDimension & { readonly window: SessionWindow };

function isOfSessions(window: WindowDimension): window is OfSessions {
  return window.window.kind === "session";
}

/** Measures over sessions, their cells behind those over records. */
function readSessions(
  view: string,
  window: WindowDimension | undefined,
  measured: readonly Measure[],
  declared: ReadSessions | undefined,
): readonly Measure[] {
  if (window === undefined || !isOfSessions(window)) {
    if (declared === undefined) return [];
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_WINDOW",
      `view "${view}" has measures over sessions but no sessions: give it a window of them, as in by: (f) => ({ visitor: f.visitor, visit: session("30m") })`,
    );
  }
  const fields = sessionFields(view, measured);
  const aggregates = declared?.(fields) ?? {};
  let firstCell = cellsOf(measured);
  return Object.entries({ ...aggregates, [`${window.name}End`]: sessionEnd }).map(([name, aggregate]) => {
    const measure = Object.freeze({ name, aggregate, firstCell });
    firstCell += aggregate.state.length;
    return measure;
  });
}

/** Kept as pieces of sessions, shown as sessions. */
function sessionView(
  view: Omit<View, "partitions" | "columns" | "sketchColumns" | "sessions" | "window"> & {
    readonly window: OfSessions;
  },
  measured: readonly Measure[],
  over: readonly Measure[],
): View {
  const { name, window } = view;
  const { gapMs } = window.window;
  const shown = finish({
    ...view,
    window: Object.freeze({ ...window, window: Object.freeze({ ...window.window, widthMs: 1 }) }),
  });
  const stateOf = compileSessionState(name, measured, over);
  const kind: PieceKind = Object.freeze({ gapMs, measures: measured, columns: columnsOf(measured) });
  const piecesOf = (added: readonly Measure[]) =>
    Object.freeze([sessionMeasure(name, window.name, kind, added)]);
  const mappings = view.mappings.map((mapping) =>
    Object.freeze({ ...mapping, measures: piecesOf(mapping.measures), inSession: mapping.measures }),
  );
  return finish(
    { ...view, mappings: Object.freeze(mappings), measures: piecesOf(measured) },
    Object.freeze({ ...kind, shown, stateOf }),
  );
}

function cellsOf(measures: readonly Measure[]): number {
  return measures.reduce((cells, { aggregate }) => cells + aggregate.state.length, 0);
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

function readBy(view: string, by: By): Pick<DeclaredMapping, "dimensions" | "window"> {
  const dimensions: MappedDimension[] = [];
  let window: WindowDimension | undefined;
  for (const [name, part] of Object.entries(by)) {
    if (comparedNames.has(name)) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_NAME",
        `view "${view}": "${name}" can't name a dimension: comparisons show ${[...comparedNames].join(", ")} beside the dimensions`,
      );
    }
    if (part instanceof Expression) {
      const { node } = part;
      if (node.type === "number" || node.type === "time") {
        const what = node.type === "time" ? "time: ask for its date() or its parts" : "float";
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_TYPE",
          `view "${view}": dimension "${name}" is a ${what}; rows can be told apart by strings, integers and booleans`,
        );
      }
      dimensions.push(Object.freeze({ name, node, type: node.type, nullable: node.nullable }));
    } else if (window === undefined) {
      window = Object.freeze({ name, window: part });
    } else {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_WINDOW",
        `view "${view}" has two windows, "${window.name}" and "${name}"; a view has at most one: declare two views`,
      );
    }
  }
  return { dimensions: Object.freeze(dimensions), window };
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

function requireDistinctNames(view: string, columns: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of columns) {
    if (!/^[A-Za-z][A-Za-z0-9_]{0,99}$/.test(name) || reservedNames.has(name)) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_NAME",
        `view "${view}": "${name}" can't name a column: use letters, digits and "_", and none of ${[...reservedNames].join(", ")}`,
      );
    }
    if (seen.has(name.toLowerCase())) {
      throw new TidemarkError(
        "TIDEMARK_DECLARATION_NAME",
        `view "${view}" has two columns named "${name}" (case is not told apart)`,
      );
    }
    seen.add(name.toLowerCase());
  }
}

function fingerprintOf(view: Pick<View, "mappings" | "window" | "measures">): Fingerprint {
  const window = view.window === undefined ? null : [view.window.name, ...describeWindow(view.window.window)];
  const [first, second] = view.mappings.map(mappingMeaning);
  const meaning =
    first === undefined || second !== undefined
      ? [
          stateFormat,
          view.mappings.map((mapping) => [mapping.event.partitions, ...mappingMeaning(mapping)]),
          window,
          // In the order of the cells.
          view.measures.filter(({ aggregate }) => aggregate.state.length > 0).map(({ name }) => name),
        ]
      : [stateFormat, ...first.slice(0, 3), window, ...first.slice(3)];
  return createHash("sha256").update(JSON.stringify(meaning)).digest("hex").slice(0, 16) as Fingerprint;
}

/** Neither what is derived nor what is measured of whole sessions is kept: it can change, and states mean the same. */
function mappingMeaning({ event, list, where, dimensions, measures }: Mapping): readonly unknown[] {
  return [
    [event.name, event.duplicatesWithin, ...(list === undefined ? [] : [describeNode(list)])],
    where === undefined ? null : describeNode(where),
    dimensions.map((dimension) => [dimension.name, describeNode(dimension.node)]),
    measures
      .filter(({ aggregate }) => aggregate.state.length > 0)
      .map(({ name, aggregate }) => [
        name,
        aggregate.kind,
        aggregate.state,
        aggregate.input === undefined ? null : describeNode(aggregate.input),
        aggregate.where === undefined ? null : describeNode(aggregate.where),
      ]),
  ];
}

function describeWindow(window: Window): readonly unknown[] {
  const { kind, widthMs } = window;
  if (kind !== "calendar") return [kind, widthMs];
  const { unit, zone } = window.calendar;
  return [kind, unit, zone.name, zone.hash];
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
