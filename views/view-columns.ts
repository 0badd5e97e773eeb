import type { Measure } from "./aggregate.ts";
import type { Existence } from "./existence.ts";
import { partitionsOf } from "./mapping.ts";
import type { StateColumn } from "./state.ts";
import type { Sessions, View } from "./view.ts";

/** A view but for what follows from its mappings and measures. */
export type Unfinished = Omit<View, "partitions" | "columns" | "sketchColumns" | "sessions" | "existence">;

/** The view, frozen, with its partitions and its state columns. */
export function finish(view: Unfinished, sessions?: Sessions, existence?: Existence): View {
  const columns = columnsOf(view.measures);
  return Object.freeze({
    ...view,
    partitions: Object.freeze(partitionsOf(view.mappings)),
    columns,
    sketchColumns: Object.freeze(columns.flatMap(({ type }, i) => (type === "sketch" ? [i] : []))),
    sessions,
    existence,
  });
}

export function columnsOf(measures: readonly Measure[]): readonly StateColumn[] {
  const columns = measures.flatMap(({ name, aggregate }) =>
    aggregate.state.map(
      (column): StateColumn => Object.freeze({ ...column, name: `${name}.${column.name}` }),
    ),
  );
  return Object.freeze(columns);
}

/** How many cells the measures take. */
export function cellsOf(measures: readonly Measure[]): number {
  return measures.reduce((cells, { aggregate }) => cells + aggregate.state.length, 0);
}
