import type { Offset } from "../../views/cut.ts";
import type { Scalar } from "../../views/expression.ts";
import { compareKeys, groupKey, storageKey } from "../../views/key.ts";
import { type Cell, copyCell, type StateRow } from "../../views/state.ts";
import { copyState, mergeState, type View } from "../../views/view.ts";
import type { GroupKey } from "./group-key.ts";
import type { Entry, Segment } from "./tail.ts";

/** An entry that can be folded into. */
export interface FoldedEntry extends Entry {
  readonly cells: Cell[];
  /** Counts up from 0 in the order in which the segment's entries came. */
  readonly place: number;
  /** Changed since it was last taken, by the checkpoint or by `takeChanged`, and then listed in the segment's `dirty`. */
  isDirty: boolean;
}

/**
 * A segment in memory. Open, it takes records (through a fold) and its `next` rises; sealed, nothing in it changes any
 * more, so that it can be read and written out in pieces.
 */
export class TailSegment implements Segment {
  readonly view: View;
  readonly partition: number;
  readonly from: Offset;
  /** By pane, then by `groupKey` of the dimensions. */
  readonly panes = new Map<number, Map<string, FoldedEntry>>();
  /** Entries that changed since `takeDirty` or `takeChanged`, each once. Whoever sets an entry's `isDirty` lists it here. */
  dirty: FoldedEntry[] = [];
  /** What `takeChanged` took out of `dirty`, for `takeDirty` to give all the same. */
  readonly #taken = new Set<FoldedEntry>();
  /** The other way round. */
  readonly #untold = new Set<FoldedEntry>();
  #isWatched = false;
  /** Entries in all panes. Whoever adds one to a pane counts it here; what was counted before is its place. */
  size = 0;
  #next: Offset;
  #isSealed = false;

  constructor(view: View, partition: number, from: Offset, next: Offset = from) {
    this.view = view;
    this.partition = partition;
    this.from = from;
    this.#next = next;
  }

  get next(): Offset {
    return this.#next;
  }

  get isSealed(): boolean {
    return this.#isSealed;
  }

  /** All records before `next` are folded now. */
  advance(next: Offset): void {
    this.#next = next;
  }

  seal(): void {
    this.#isSealed = true;
  }

  /** The pane's entries by `groupKey`; the caller adds one if the pane is new. */
  pane(pane: number): Map<string, FoldedEntry> {
    let groups = this.panes.get(pane);
    if (groups === undefined) {
      groups = new Map();
      this.panes.set(pane, groups);
    }
    return groups;
  }

  find(pane: number, group: GroupKey): FoldedEntry | undefined {
    return this.panes.get(pane)?.get(group.text);
  }

  /** Merges one row in. Copies what it keeps. */
  mergeRow(row: StateRow): void {
    const groups = this.pane(row.pane);
    const key = groupKey(this.view.dimensions, row.dimensions);
    const entry = groups.get(key);
    if (entry === undefined) {
      this.#add(groups, key, row.dimensions, row.pane, copyState(this.view, row.cells), true);
    } else {
      mergeState(this.view, entry.cells, row.cells);
      this.#markDirty(entry);
    }
  }

  /** Puts back a row that stands in the checkpoint as it is. */
  restoreRow(dimensions: readonly Scalar[], pane: number, cells: Cell[]): void {
    this.#add(this.pane(pane), groupKey(this.view.dimensions, dimensions), dimensions, pane, cells, false);
  }

  /** Takes a row over from whoever folds: it is the group's state now, whatever it was. Keeps the cells. */
  replaceRow({ dimensions, pane, cells }: StateRow): void {
    const groups = this.pane(pane);
    const key = groupKey(this.view.dimensions, dimensions);
    const entry = groups.get(key);
    if (entry === undefined) {
      this.#add(groups, key, dimensions, pane, cells as Cell[], this.#isWatched);
      return;
    }
    for (let i = 0; i < cells.length; i++) entry.cells[i] = cells[i] as Cell;
    if (this.#isWatched) this.#markDirty(entry);
  }

  #add(
    groups: Map<string, FoldedEntry>,
    key: string,
    dimensions: readonly Scalar[],
    pane: number,
    cells: Cell[],
    isDirty: boolean,
  ): void {
    const entry: FoldedEntry = { dimensions, pane, cells, isDirty, place: this.size++ };
    groups.set(key, entry);
    if (isDirty) this.dirty.push(entry);
  }

  /** Every entry counts as changed. */
  markDirty(): void {
    for (const entry of this.entries()) this.#markDirty(entry);
  }

  #markDirty(entry: FoldedEntry): void {
    if (entry.isDirty) return;
    entry.isDirty = true;
    this.dirty.push(entry);
  }

  /**
   * What changed since the last time, as it is at this moment. The cells of an open segment are copied, into one array
   * for all rows: this holds the thread, and an array per row would take it five times as long.
   */
  takeDirty(): Iterable<StateRow> {
    const dirty = this.#dirtyWith(this.#taken);
    if (this.#isWatched) for (const entry of this.dirty) this.#untold.add(entry);
    this.dirty = [];
    if (this.#isSealed) {
      for (const entry of dirty) entry.isDirty = false;
      return dirty;
    }
    const { sketchColumns, columns } = this.view;
    const width = columns.length;
    const cells: Cell[] = new Array(dirty.length * width);
    let at = 0;
    for (const entry of dirty) {
      entry.isDirty = false;
      for (let i = 0; i < width; i++) cells[at + i] = entry.cells[i] as Cell;
      for (const i of sketchColumns) cells[at + i] = copyCell(entry.cells[i] as Cell);
      at += width;
    }
    return rowsOf(dirty, cells, width);
  }

  takeChanged(): readonly FoldedEntry[] {
    this.#isWatched = true;
    const changed = this.#dirtyWith(this.#untold);
    for (const entry of this.dirty) {
      entry.isDirty = false;
      this.#taken.add(entry);
    }
    this.dirty = [];
    return changed;
  }

  /** What is dirty, and what the other reader took of that, which is forgotten. */
  #dirtyWith(takenByOther: Set<FoldedEntry>): readonly FoldedEntry[] {
    if (takenByOther.size === 0) return this.dirty;
    for (const entry of this.dirty) takenByOther.add(entry);
    const all = [...takenByOther];
    takenByOther.clear();
    return all;
  }

  entriesIn(pane: number): Iterable<FoldedEntry> {
    return this.panes.get(pane)?.values() ?? [];
  }

  *entries(): Generator<FoldedEntry, void, undefined> {
    for (const groups of this.panes.values()) yield* groups.values();
  }

  /** All rows in order of `storageKey`, then pane. */
  sortedRows(): readonly StateRow[] {
    const keys = new Map<StateRow, Uint8Array>();
    for (const entry of this.entries()) keys.set(entry, storageKey(entry.dimensions));
    return [...keys]
      .sort(([a, aKey], [b, bKey]) => compareKeys(aKey, bKey) || a.pane - b.pane)
      .map(([row]) => row);
  }
}

function* rowsOf(entries: readonly Entry[], cells: readonly Cell[], width: number): Generator<StateRow> {
  let at = 0;
  for (const { dimensions, pane } of entries) {
    yield { dimensions, pane, cells: cells.slice(at, at + width) };
    at += width;
  }
}
