import { TidemarkError } from "./errors.ts";
import type { Node } from "./expression.ts";
import type { FieldType } from "./field.ts";
import type { Cell, StateColumn } from "./state.ts";

/** What a measure's value looks like to the one who queries. */
export type Value = number | bigint | string | boolean | null | readonly Bin[];

/** How many numbers there are in `[from, to)`; null where that has no end. */
export interface Bin {
  readonly from: number | null;
  readonly to: number | null;
  readonly count: number;
}

/** What the JavaScript of `add` can name besides cells and input; all but `constant` are texts. */
export interface AddScope {
  /** The name of a constant: a function to call, a parameter. */
  constant(value: unknown): string;
  /** The record's place: its event time in milliseconds, its partition and its offset. */
  readonly time: string;
  readonly partition: string;
  readonly offset: string;
  /** The value of an expression of the record, or null. */
  value(node: Node): string;
}

/**
 * An aggregate with both its meanings: one file under `aggregates/` each. prepare (`input`, `where`) → add → merge →
 * present; see Boykin et al., "Summingbird" (VLDB 2014) for the shape.
 *
 * For every aggregate: `zero` is the identity of `merge`, `merge` is associative and commutative, and folding a
 * sequence equals merging the folds of its parts. Integer columns agree bit for bit between `add` and `sql`.
 */
export interface Aggregate {
  readonly kind: string;
  /** Undefined: counts records, looks at no field. */
  readonly input: Node | undefined;
  /** Only records for which this is true are added. */
  readonly where: Node | undefined;
  /** Set if records whose input is null are added as well; otherwise they are passed over. */
  readonly takesNull?: true;
  readonly state: readonly StateColumn[];
  /** What `present` goes by besides the state, where the state's columns don't say it: a share, a divisor. */
  readonly shown?: string | number;
  /**
   * The same for a group that may have records of which none is added, though neither input nor `where` says so: one of a
   * view of several event types. Absent where `zero` is what is shown of nothing anyway.
   */
  readonly sparse?: () => Aggregate;
  /** Set where the value is not exact: what it may be off by. */
  readonly approximation?: string;
  readonly value: {
    readonly type: "integer" | "number" | "string" | "boolean" | "histogram";
    readonly nullable: boolean;
  };
  /**
   * JavaScript statements, a block of their own, that add one input to the cells, which are assignable texts. The input
   * is not null, unless `takesNull`, and `where` holds. `addIntegers` is in scope.
   */
  add(cells: readonly string[], input: string, scope: AddScope): string;
  /**
   * DuckDB aggregate expressions of the same columns; `filter` is empty or ` FILTER (WHERE …)`. `_event_time`, `_partition`,
   * `_offset` and `_element`, the place in the record's list, are columns besides those in `input`.
   */
  sql(input: string, filter: string): readonly string[];
  /**
   * Quicker than `sql` but within sessions, where the state follows from how often each code of a value occurs: the batch layer
   * counts codes first.
   */
  readonly counted?: Counted;
  /** DuckDB aggregate expressions that merge columns of exact states, as `merge` does; of the types that `sql` gives. */
  mergeSql?(columns: readonly string[]): readonly string[];
  /**
   * Where float columns depend on the order of adding: by column how far they may lie off from the same sum in another
   * order, as the state itself bounds it.
   */
  noise?(cells: readonly Cell[], i: number): readonly number[];
  /** Merges the cells `b[j…]` into `a[i…]`. Sketches of `b` stay its own. */
  merge(a: Cell[], i: number, b: readonly Cell[], j: number): void;
  present(cells: readonly Cell[], i: number): Value;
  /**
   * The same as `present`, as a DuckDB expression over the state's columns, which begin at `columns[i]`; to the last bit, and
   * a HUGEINT or BIGINT where the value is an integer. Absent where SQL can't say it.
   */
  presentSql?(columns: readonly string[], i: number): string;
}

export interface Counted {
  /** DuckDB expression of a value's code; null of null. */
  code(input: string): string;
  /**
   * The state's columns like `sql`, of the codes as they come, each as often as it occurs: quicker than counting them where
   * a group has few, but what it takes of memory grows with the records, and can't be spilled.
   */
  gather?(input: string, filter: string): readonly string[];
  /** DuckDB expression over one code that is dear: computed once per different code, and then the code of `sql`. */
  perCode?(code: string): string;
  /** DuckDB aggregate expressions of the state's columns over rows of a code, null among them, and how many records have it. */
  sql(code: string, count: string): readonly string[];
}

/** An aggregate whose values are of this type; where nothing is said they are numbers. */
export interface AggregateOf<T extends string | number | boolean> extends Aggregate {
  readonly shows?: T;
}

/** Every aggregate is made by this: frozen, state columns and all. */
export function defineAggregate(aggregate: Aggregate): Aggregate {
  return Object.freeze({
    ...aggregate,
    state: Object.freeze(aggregate.state.map((column) => Object.freeze(column))),
    value: Object.freeze(aggregate.value),
  });
}

/** Throws TIDEMARK_DECLARATION_TYPE for an input that TypeScript should have refused. */
export function requireInput(kind: string, input: Node, types: readonly FieldType[]): void {
  if (types.includes(input.type)) return;
  throw new TidemarkError(
    "TIDEMARK_DECLARATION_TYPE",
    `${kind} takes ${types.join(" or ")}, not ${input.type}`,
  );
}

/** The SQL filter that lets through what `filter` does and the condition holds for. */
export function filterAnd(filter: string, condition: string): string {
  return filter === "" ? ` FILTER (WHERE ${condition})` : `${filter.slice(0, -1)} AND ${condition})`;
}

/** A named aggregate of a view, and where its cells stand in the view's state. */
export interface Measure {
  readonly name: string;
  readonly aggregate: Aggregate;
  readonly firstCell: number;
}

/** Statements that add one record to the cells of a measure, which begin at `cells[firstCell]`. */
export function addToJs({ aggregate, firstCell }: Measure, cells: string, scope: AddScope): string {
  const names = aggregate.state.map((_column, i) => `${cells}[${firstCell + i}]`);
  const input = aggregate.input === undefined ? "" : scope.value(aggregate.input);
  const conditions: string[] = [];
  if (aggregate.where !== undefined) conditions.push(`${scope.value(aggregate.where)} === true`);
  if (aggregate.input?.nullable === true && aggregate.takesNull !== true)
    conditions.push(`${input} !== null`);
  const guard = conditions.length === 0 ? "" : `if (${conditions.join(" && ")}) `;
  return `${guard}{ ${aggregate.add(names, input, scope)} }`;
}

/** True if some record of a group might not be added: the group's cells can then be those of nothing. */
export function canBeEmpty(input: Node | undefined, where: Node | undefined): boolean {
  return where !== undefined || input?.nullable === true;
}
