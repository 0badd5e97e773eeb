import type { DimensionTable } from "../views/dimension-table.ts";
import type { Scalar } from "../views/expression.ts";
import type { Query } from "./parameters.ts";
import type { Plan } from "./plan.ts";
import type { TableState, TableStates } from "./table-state.ts";

/** The tables that a query's attributes are from, as of one moment. */
export interface Join extends Disposable {
  readonly states: readonly TableState[];
}

/** Does not give up the thread. */
export function openJoin(tables: TableStates, { attributes, layer }: Query): Join {
  const states: TableState[] = [];
  const close = () => {
    for (const state of states) state[Symbol.dispose]();
  };
  try {
    for (const table of new Set(attributes.map((one) => one.table))) states.push(tables.now(table, layer));
  } catch (error) {
    close();
    throw error;
  }
  return { states, [Symbol.dispose]: close };
}

/** The plan with the tables' attributes behind the dimensions of every row; null where a table has no row of the key. */
export function joinedPlan(plan: Plan, { states }: Join): Plan {
  const { attributes } = plan.query;
  if (attributes.length === 0) return plan;
  const byTable = new Map<DimensionTable, TableState>(states.map((state) => [state.table, state]));
  const lookups = attributes.map(({ table, dimension, attribute }) => ({
    ...{ state: byTable.get(table), dimension, attribute },
  }));
  // Rows of one group come one after the other, and share the array.
  let last: readonly Scalar[] | undefined;
  let widened: readonly Scalar[] = [];
  return {
    ...plan,
    widen(dimensions) {
      if (dimensions === last) return widened;
      last = dimensions;
      widened = [
        ...dimensions,
        ...lookups.map(
          ({ state, dimension, attribute }) =>
            state?.find(dimensions[dimension] ?? null)?.[attribute] ?? null,
        ),
      ];
      return widened;
    },
  };
}
