import { createHash } from "node:crypto";
import type { Aggregate, Measure } from "./aggregate.ts";
import { type Derivation, derivations, derivedAggregate } from "./derived.ts";
import { TidemarkError } from "./errors.ts";
import type { EventType, FieldsOf } from "./event.ts";
import { describeNode, Expression, type Node } from "./expression.ts";
import { fieldExpressions } from "./expressions/fields.ts";
import type { BooleanExpression } from "./expressions/typed.ts";
import type { FieldType } from "./field.ts";
import { type Cell, copyCell, type StateColumn, stateFormat } from "./state.ts";
import type { Window } from "./window.ts";

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
}

type By = Readonly<Record<string, Expression<string> | Expression<number> | Expression<boolean> | Window>>;

export interface ViewDeclaration<
  E extends EventType,
  B extends By,
  M extends Readonly<Record<string, Aggregate>>,
> {
  readonly name: string;
  readonly from: E;
  /** What rows are told apart by: fields, and at most one window. */
  readonly by: (fields: FieldsOf<E>) => B;
  /** Only records for which this is true count. */
  readonly where?: (fields: FieldsOf<E>) => BooleanExpression;
  readonly measures: (fields: FieldsOf<E>) => M;
  /** Measures that are computed from others when they are shown: `(m) => ({ rate: m.clicks.dividedBy(m.views) })`. */
  readonly derived?: (
    measures: { readonly [K in keyof M]: Derivation },
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
export function defineView<E extends EventType, B extends By, M extends Readonly<Record<string, Aggregate>>>(
  declaration: ViewDeclaration<E, B, M>,
): View {
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
  const derived = declaration.derived?.(derivations(name, measured) as { [K in keyof M]: Derivation }) ?? {};
  const measures = Object.freeze([...measured, ...readDerived(measured, derived)]);
  requireDistinctNames(name, [...dimensions, ...(window === undefined ? [] : [window]), ...measures]);
  const view = { kind: "view", name, from, where, dimensions, window, measures } as const;
  const columns = measures.flatMap(({ name, aggregate }) =>
    aggregate.state.map(
      (column): StateColumn => Object.freeze({ ...column, name: `${name}.${column.name}` }),
    ),
  );
  return Object.freeze({
    ...view,
    columns: Object.freeze(columns),
    sketchColumns: Object.freeze(columns.flatMap(({ type }, i) => (type === "sketch" ? [i] : []))),
    fingerprint: fingerprintOf(view),
  });
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
  let firstCell = 0;
  const measures = Object.entries(aggregates).map(([name, aggregate]) => {
    const measure = Object.freeze({ name, aggregate, firstCell });
    firstCell += aggregate.state.length;
    return measure;
  });
  if (measures.length === 0) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_VIEW",
      `view "${view}" measures nothing: give at least one measure`,
    );
  }
  return Object.freeze(measures);
}

function readDerived(
  measured: readonly Measure[],
  derived: Readonly<Record<string, Derivation>>,
): readonly Measure[] {
  const firstCell = measured.reduce((cells, { aggregate }) => cells + aggregate.state.length, 0);
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

function fingerprintOf(view: Omit<View, "columns" | "sketchColumns" | "fingerprint">): Fingerprint {
  const meaning = [
    stateFormat,
    [view.from.name, view.from.duplicatesWithin],
    view.where === undefined ? null : describeNode(view.where),
    view.dimensions.map((dimension) => [dimension.name, describeNode(dimension.node)]),
    view.window === undefined
      ? null
      : [view.window.name, view.window.window.kind, view.window.window.widthMs],
    // What is derived has no state: it can change, and states mean the same.
    view.measures
      .filter(({ aggregate }) => aggregate.state.length > 0)
      .map(({ name, aggregate }) => [
        name,
        aggregate.kind,
        aggregate.state,
        aggregate.input === undefined ? null : describeNode(aggregate.input),
        aggregate.where === undefined ? null : describeNode(aggregate.where),
      ]),
  ];
  return createHash("sha256").update(JSON.stringify(meaning)).digest("hex").slice(0, 16) as Fingerprint;
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
