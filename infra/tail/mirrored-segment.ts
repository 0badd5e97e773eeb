import type { Offset } from "../../views/cut.ts";
import type { Scalar } from "../../views/expression.ts";
import type { Cell } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import type { GroupKey } from "./group-key.ts";
import { RowTable } from "./row-table.ts";
import type { Entry, Segment } from "./tail.ts";

/** A segment that another thread folds, as that told it. */
export class MirroredSegment implements Segment {
  readonly view: View;
  readonly partition: number;
  readonly from: Offset;
  readonly #table: RowTable;
  #next: Offset;
  /** From the first `takeChanged` on, all entries that were given to anybody: who follows changes knows them by identity. */
  #given: Map<number, MirroredEntry> | undefined;
  readonly #changed = new Set<number>();

  constructor(view: View, partition: number, from: Offset) {
    this.view = view;
    this.partition = partition;
    this.from = from;
    this.#next = from;
    this.#table = new RowTable(view);
  }

  get panes(): Segment["panes"] {
    return this.#table.panes;
  }

  get next(): Offset {
    return this.#next;
  }

  get size(): number {
    return this.#table.size;
  }

  /** Rows as a `RowWriter` gives them: they are the groups' states now, whatever these were. Keeps the memory. */
  take(rows: Uint8Array<ArrayBuffer>): void {
    const given = this.#given;
    if (given === undefined) {
      this.#table.take(rows);
      return;
    }
    this.#table.take(rows, (place) => {
      this.#changed.add(place);
      given.get(place)?.changed();
    });
  }

  advance(next: Offset): void {
    this.#next = next;
  }

  /** Gives back some of the memory that former states took; false if there is nothing to be done. */
  settle(): boolean {
    return this.#table.settle();
  }

  find(pane: number, group: GroupKey): Entry | undefined {
    const place = this.#table.find(pane, group);
    return place === undefined ? undefined : this.#entry(place);
  }

  *entriesIn(pane: number): Generator<Entry, void, undefined> {
    for (const place of this.#table.placesIn(pane)) yield this.#entry(place);
  }

  *entries(): Generator<Entry, void, undefined> {
    for (const pane of this.#table.panes.keys()) yield* this.entriesIn(pane);
  }

  takeChanged(): readonly Entry[] {
    this.#given ??= new Map();
    const changed = [...this.#changed].map((place) => this.#entry(place));
    this.#changed.clear();
    return changed;
  }

  #entry(place: number): MirroredEntry {
    const known = this.#given?.get(place);
    if (known !== undefined) return known;
    const entry = new MirroredEntry(this.#table, place);
    this.#given?.set(place, entry);
    return entry;
  }
}

/** Decoded when it is read. */
class MirroredEntry implements Entry {
  readonly #table: RowTable;
  readonly #place: number;
  #dimensions: readonly Scalar[] | undefined;
  #cells: readonly Cell[] | undefined;

  constructor(table: RowTable, place: number) {
    this.#table = table;
    this.#place = place;
  }

  get dimensions(): readonly Scalar[] {
    this.#dimensions ??= this.#table.dimensionsAt(this.#place);
    return this.#dimensions;
  }

  get pane(): number {
    return this.#table.paneAt(this.#place);
  }

  get cells(): readonly Cell[] {
    this.#cells ??= this.#table.cellsAt(this.#place);
    return this.#cells;
  }

  changed(): void {
    this.#cells = undefined;
  }
}
