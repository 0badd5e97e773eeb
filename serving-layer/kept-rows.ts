import type { Manifest } from "../infra/generations/generations.ts";
import type { StateRow } from "../views/state.ts";
import type { ColumnStatement } from "./column-sql.ts";

/** What one statement may give to be kept. */
export const fewRows = 2_048;
/** What is kept of one generation at most, in rows. */
const most = 50_000;

/**
 * What statements gave of generations, where that is little: a generation never changes, and who asks again as events come in
 * has the same rows of it, with another part of the tail.
 */
export class KeptRows {
  readonly #kept = new WeakMap<Manifest, Map<string, readonly StateRow[]>>();

  /** Not to be written to. */
  of(manifest: Manifest, statement: ColumnStatement): readonly StateRow[] | undefined {
    return this.#kept.get(manifest)?.get(keyOf(statement));
  }

  /** Takes all that the statement gave. */
  keep(manifest: Manifest, statement: ColumnStatement, rows: readonly StateRow[]): void {
    if (rows.length > fewRows) return;
    const kept = this.#kept.get(manifest) ?? new Map<string, readonly StateRow[]>();
    this.#kept.set(manifest, kept);
    const size = [...kept.values()].reduce((sum, { length }) => sum + length, rows.length);
    if (size > most) kept.clear();
    kept.set(keyOf(statement), rows);
  }
}

function keyOf({ sql, cells, parameters }: ColumnStatement): string {
  return JSON.stringify([sql([]), cells, parameters]);
}
