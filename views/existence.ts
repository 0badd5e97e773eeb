import { current } from "./aggregates/current.ts";
import { TidemarkError } from "./errors.ts";
import type { BooleanExpression } from "./expressions/typed.ts";
import type { Measures } from "./source.ts";
import type { Cell } from "./state.ts";
import type { View } from "./view.ts";
import { finish, type Unfinished } from "./view-columns.ts";

/** Which rows of a view exist: those of keys whose last record in the log is no deletion. States of the others are kept. */
export interface Existence {
  /** As queries see the view: without the measure that tells. Its cells are those of the view. */
  readonly shown: View;
  /** The index of the state column that is true where the row was deleted. */
  readonly deletedCell: number;
}

/** No name that a declaration could give. */
const deletedName = "_deleted";

interface Deletable {
  readonly measures: (fields: never) => Measures;
  readonly deleted?: (fields: never) => BooleanExpression;
}

/** The declaration with a measure behind the others that tells whether the row was deleted. */
export function withDeletion<D extends Deletable>(declaration: D): D {
  const { measures, deleted } = declaration;
  if (deleted === undefined) return declaration;
  return {
    ...declaration,
    measures: (fields: never) => ({ ...measures(fields), [deletedName]: current(deleted(fields)) }),
  };
}

export function isVisibleMeasure({ name }: { readonly name: string }): boolean {
  return name !== deletedName;
}

/** Throws TIDEMARK_DECLARATION_VIEW where there is a window: what is deleted would stay in the panes of its past. */
export function viewOfExisting(view: Unfinished): View {
  if (view.window !== undefined) {
    throw new TidemarkError(
      "TIDEMARK_DECLARATION_VIEW",
      `view "${view.name}" has a window, "${view.window.name}", and "deleted": a row that can be deleted is one for all time, so leave one of them out`,
    );
  }
  const shown = finish({ ...view, measures: Object.freeze(view.measures.filter(isVisibleMeasure)) });
  const deleted = view.measures.find((measure) => !isVisibleMeasure(measure));
  const deletedCell = (deleted?.firstCell ?? 0) + 2;
  return finish(view, undefined, Object.freeze({ shown, deletedCell }));
}

export function exists({ deletedCell }: Existence, cells: readonly Cell[]): boolean {
  return cells[deletedCell] !== true;
}
