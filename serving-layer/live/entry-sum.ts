import type { Entry } from "../../infra/tail/tail.ts";
import type { Cell } from "../../views/state.ts";
import { mergeState, type View, zeroState } from "../../views/view.ts";

/** How many are merged into one, and such ones again. */
const fan = 32;

/**
 * The states of entries, merged. What has been merged is kept by stretches, and these by longer stretches, so that after a change
 * only those that it lies in are merged anew: a few dozen merges, however many entries there are.
 */
export class EntrySum {
  readonly #view: View;
  readonly #entries: Entry[] = [];
  /** From the shortest stretches on; undefined: to be merged. None of what is at most one stretch. */
  readonly #levels: (Cell[] | undefined)[][] = [];

  constructor(view: View) {
    this.#view = view;
  }

  /** Gives the number of the stretch that the entry lies in. */
  add(entry: Entry): number {
    const stretch = Math.floor((this.#entries.push(entry) - 1) / fan);
    if (this.#countAt(this.#levels.length) > fan) this.#levels.push([]);
    this.changed(stretch);
    return stretch;
  }

  /** Entries of the stretch are not what they were. */
  changed(stretch: number): void {
    let at = stretch;
    for (const level of this.#levels) {
      level[at] = undefined;
      at = Math.floor(at / fan);
    }
  }

  mergeInto(cells: Cell[]): void {
    const top = this.#levels.length;
    for (let i = 0; i < this.#countAt(top); i++) mergeState(this.#view, cells, this.#stateAt(top, i));
  }

  /** Of level 0 the entries. */
  #stateAt(level: number, i: number): readonly Cell[] {
    if (level === 0) return this.#entries[i]?.cells ?? [];
    const kept = this.#levels[level - 1] ?? [];
    const known = kept[i];
    if (known !== undefined) return known;
    const cells = zeroState(this.#view);
    const end = Math.min((i + 1) * fan, this.#countAt(level - 1));
    for (let below = i * fan; below < end; below++)
      mergeState(this.#view, cells, this.#stateAt(level - 1, below));
    kept[i] = cells;
    return cells;
  }

  #countAt(level: number): number {
    return Math.ceil(this.#entries.length / fan ** level);
  }
}
