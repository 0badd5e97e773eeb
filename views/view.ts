import { createHash } from "node:crypto";
import type { Aggregate, Measure } from "./aggregate.ts";
import { type Derivation, derivations, derivedAggregate } from "./derived.ts";
import { TidemarkError } from "./errors.ts";
import type { EventType, FieldsOf } from "./event.ts";
import { describeNode, Expression, type Node } from "./expression.ts";
import { fieldExpressions } from "./expressions/fields.ts";
import type { BooleanExpression } from "./expressions/typed.ts";
import type { FieldType } from "./field.ts";
import { sessionMeasure } from "./session-measure.ts";
import {
  compileSessionState,
  type SessionFields,
  type SessionState,
  sessionEnd,
  sessionFields,
} from "./sessions.ts";
import { type Cell, copyCell, type StateColumn, stateFormat } from "./state.ts";
import type { SessionWindow, Window } from "./window.ts";

/** The hash of what a view means: equal for two declarations exactly when their states mean the same. */
export type Fingerprint = string & { readonly __brand: "Fingerprint" };

export interface Dimension {
  readonly name: string;
  readonly node: Node;
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
  readonly from: EventType;
  readonly where: Node | undefined;
  /** In the order of `by`, without the window: also the order in which the index is sorted. */
  readonly dimensions: readonly Dimension[];
  /** Undefined: one pane, which starts at 0 and has no column. */
  readonly window: WindowDimension | undefined;
  readonly measures: readonly Measure[];
  /** All measures' state columns, flat, named `<measure>.<column>`. */
  readonly columns: readonly StateColumn[];
  /** The columns, by index, whose cells are sketches. */
  readonly sketchColumns: readonly number[];
  readonly fingerprint: Fingerprint;
  /** Set where the window is of sessions; `measures` is then what is kept of them, and rows are shown as `shown` says. */
  readonly sessions: Sessions | undefined;
}

/** How the sessions of a view are shown; see `session-rows.ts`. */
export interface Sessions {
  readonly gapMs: number;
  /** The measures over the records of a session, by which its cells lie. */
  readonly measures: readonly Measure[];
  readonly columns: readonly StateColumn[];
  /** Its rows are sessions, each in a pane of its own that is named by its start. */
  readonly shown: View;
  readonly stateOf: SessionState;
}

/** The view as queries see it: of sessions their own rows, otherwise the view itself. */
export function shownView(view: View): View {
  return view.sessions?.shown ?? view;
}

type By = Readonly<Record<string, Expression<string> | Expression<number> | Expression<boolean> | Window>>;

export interface ViewDeclaration<
  E extends EventType,
  B extends By,
  M extends Readonly<Record<string, Aggregate>>,
  S extends Readonly<Record<string, Aggregate>> = Readonly<Record<never, Aggregate>>,
> {
  readonly name: string;
  readonly from: E;
  /** What rows are told apart by: fields, and at most one window. */
  readonly by: (fields: FieldsOf<E>) => B;
  /** Only records for which this is true count. */
  readonly where?: (fields: FieldsOf<E>) => BooleanExpression;
  readonly measures: (fields: FieldsOf<E>) => M;
  /** Measures over sessions, where the window is one of sessions: `(s) => ({ bounces: count({ where: s.pages.eq(1) }) })`. */
  readonly sessions?: (session: SessionFields<M>) => S;
  /** Measures that are computed from others when they are shown: `(m) => ({ rate: m.clicks.dividedBy(m.views) })`. */
  readonly derived?: (
    measures: { readonly [K in keyof M | keyof NoInfer<S>]: Derivation },
  ) => Readonly<Record<string, Derivation>>;
}

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
  E extends EventType,
  B extends By,
  M extends Readonly<Record<string, Aggregate>>,
  S extends Readonly<Record<string, Aggregate>> = Readonly<Record<never, Aggregate>>,
>(declaration: ViewDeclaration<E, B, M, S>): View {
  const { name, from } = declaration;
  if (!/^[a-z][a-z0-9-]{0,99}$/.test(name)) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_NAME",
      `view "${name}" must be named in lower-case letters, digits and "-", e.g. "airport-hours"`,
    );
  }
  const fields = fieldExpressions(`event type "${from.name}"`, from.fields) as FieldsOf<E>;
  const { dimensions, window } = readBy(name, declaration.by(fields));
  const where = declaration.where?.(fields).node;
  const measured = readMeasures(name, declaration.measures(fields));
  const sessions = readSessions(name, window, measured, declaration.sessions as ReadSessions | undefined);
  const all = [...measured, ...sessions];
  const derived =
    declaration.derived?.(derivations(name, all) as { [K in keyof M | keyof S]: Derivation }) ?? {};
  const measures = Object.freeze([...all, ...readDerived(all, derived)]);
  requireDistinctNames(name, [...dimensions, ...(window === undefined ? [] : [window]), ...measures]);
  const view = { kind: "view", name, from, where, dimensions, window, measures } as const;
  const fingerprint = fingerprintOf({ ...view, measures: measured });
  if (window === undefined || !isOfSessions(window)) return finish({ ...view, fingerprint });
  return sessionView({ ...view, fingerprint, window }, measured, sessions);
}

type ReadSessions = (
  session: SessionFields<Record<string, Aggregate>>,
) => Readonly<Record<string, Aggregate>>;

function finish(view: Omit<View, "columns" | "sketchColumns" | "sessions">, sessions?: Sessions): View {
  const columns = columnsOf(view.measures);
  return Object.freeze({
    ...view,
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

function isOfSessions(
  window: WindowDimension,
): window is WindowDimension & { readonly window: SessionWindow } {
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
  return placed({ ...aggregates, [`${window.name}End`]: sessionEnd }, cellsOf(measured));
}

/** Kept as pieces of sessions, shown as sessions. */
function sessionView(
  view: Omit<View, "columns" | "sketchColumns" | "sessions" | "window"> & {
    readonly window: WindowDimension & { readonly window: SessionWindow };
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
  const columns = columnsOf(measured);
  const stateOf = compileSessionState(name, measured, over);
  const sessions = Object.freeze({ gapMs, measures: measured, columns, shown, stateOf });
  const pieces = sessionMeasure(name, window, measured, columns);
  return finish({ ...view, measures: Object.freeze([pieces]) }, sessions);
}

function readBy(view: string, by: By): Pick<View, "dimensions" | "window"> {
  const dimensions: Dimension[] = [];
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
      if (node.type === "number") {
        throw new TidemarkError(
          "TIDEMARK_DECLARATION_TYPE",
          `view "${view}": dimension "${name}" is a float; rows can be told apart by strings, integers and booleans`,
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

function readMeasures(view: string, aggregates: Readonly<Record<string, Aggregate>>): readonly Measure[] {
  const measures = placed(aggregates, 0);
  if (measures.length === 0) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_VIEW",
      `view "${view}" measures nothing: give at least one measure`,
    );
  }
  return measures;
}

/** The aggregates as measures whose cells stand one behind the other from `firstCell` on. */
function placed(aggregates: Readonly<Record<string, Aggregate>>, from: number): readonly Measure[] {
  let firstCell = from;
  const measures = Object.entries(aggregates).map(([name, aggregate]) => {
    const measure = Object.freeze({ name, aggregate, firstCell });
    firstCell += aggregate.state.length;
    return measure;
  });
  return Object.freeze(measures);
}

function cellsOf(measures: readonly Measure[]): number {
  return measures.reduce((cells, { aggregate }) => cells + aggregate.state.length, 0);
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

function fingerprintOf(
  view: Omit<View, "columns" | "sketchColumns" | "fingerprint" | "sessions">,
): Fingerprint {
  const meaning = [
    stateFormat,
    [view.from.name, view.from.duplicatesWithin],
    view.where === undefined ? null : describeNode(view.where),
    view.dimensions.map((dimension) => [dimension.name, describeNode(dimension.node)]),
    view.window === undefined ? null : [view.window.name, ...describeWindow(view.window.window)],
    // Neither what is derived nor what is measured of whole sessions is kept: it can change, and states mean the same.
    view.measures.map(({ name, aggregate }) => [
      name,
      aggregate.kind,
      aggregate.state,
      aggregate.input === undefined ? null : describeNode(aggregate.input),
      aggregate.where === undefined ? null : describeNode(aggregate.where),
    ]),
  ];
  return createHash("sha256").update(JSON.stringify(meaning)).digest("hex").slice(0, 16) as Fingerprint;
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
