import type { GenerationReader, ValueRange } from "../infra/generations/generations.ts";
import { groupKey } from "../views/key.ts";
import { mergeSorted } from "../views/sorted-rows.ts";
import type { Cell, StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";
import type { Turns } from "./clock.ts";
import type { StoredRows } from "./sessions.ts";

/** What was being served at the generation's cut, where that was not what the generation has. */
export interface Served {
  /** By `rowKey`; null: that key was not served. */
  readonly differing: ReadonlyMap<string, readonly Cell[] | null>;
  /** Keys that the generation does not have. */
  readonly added: readonly StateRow[];
}

/** Gives up the thread. */
export async function readServed(view: View, reader: GenerationReader, turns: Turns): Promise<Served> {
  const differing = new Map<string, readonly Cell[] | null>();
  const added: StateRow[] = [];
  const width = view.window?.window.widthMs ?? 1;
  for (const { dimensions, pane, cells } of reader.drift()) {
    if (turns.isDue()) await turns.next();
    const isInGeneration = reader.group(dimensions, pane, pane + width).length > 0;
    if (isInGeneration) differing.set(rowKey(view, dimensions, pane), cells);
    else if (cells !== null) added.push({ dimensions, pane, cells });
  }
  return { differing, added };
}

export function rowKey(view: View, dimensions: StateRow["dimensions"], pane: number): string {
  return `${pane}|${groupKey(view.dimensions, dimensions)}`;
}

/** The rows that were being served at the generation's cut. */
export class ServedRows implements StoredRows {
  readonly #view: View;
  readonly #reader: GenerationReader;
  readonly #served: Served;

  constructor(view: View, reader: GenerationReader, served: Served) {
    this.#view = view;
    this.#reader = reader;
    this.#served = served;
  }

  group(dimensions: StateRow["dimensions"], from: number | undefined, to: number | undefined) {
    return this.scan(dimensions, from, to);
  }

  scan(
    prefix: StateRow["dimensions"],
    from = Number.NEGATIVE_INFINITY,
    to = Number.POSITIVE_INFINITY,
    within?: ValueRange,
  ): Iterable<StateRow> {
    const added = this.#served.added.filter(
      ({ dimensions, pane }) =>
        pane >= from && pane < to && prefix.every((value, i) => dimensions[i] === value),
    );
    return mergeSorted(this.#view, [this.#kept(this.#reader.scan(prefix, from, to, within)), added]);
  }

  *#kept(rows: Iterable<StateRow>): Generator<StateRow, void, undefined> {
    for (const row of rows) {
      const cells = this.#served.differing.get(rowKey(this.#view, row.dimensions, row.pane));
      if (cells !== null) yield cells === undefined ? row : { ...row, cells };
    }
  }
}
