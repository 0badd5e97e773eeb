import type { Change } from "../../infra/changes/change-record.ts";
import type { GenerationReader } from "../../infra/generations/generations.ts";
import { GroupKey } from "../../infra/tail/group-key.ts";
import type { Segment } from "../../infra/tail/tail.ts";
import { exists } from "../../views/existence.ts";
import type { Scalar } from "../../views/expression.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import { copyState, mergeState, type View } from "../../views/view.ts";
import { readQuery } from "../parameters.ts";
import { compileKeyJson, compileRowJson } from "../present.ts";

/** What the rows of a view are at one moment. */
export interface RowMoment {
  readonly reader: GenerationReader | undefined;
  /** From where the generation ends. */
  readonly segments: readonly Segment[];
}

/**
 * Gives single rows of a view that is shown as it is stored, but for those that are deleted, in the very texts of an answer that
 * asks for all of them.
 */
export class CurrentRows {
  readonly #view: View;
  readonly #keyJson;
  readonly #rowJson;

  constructor(view: View) {
    const all = readQuery(view, "rows", "", []);
    this.#view = view;
    this.#keyJson = compileKeyJson(all);
    this.#rowJson = compileRowJson(all);
  }

  /** The row of this key; its place in the generation is looked up. */
  find({ reader, segments }: RowMoment, dimensions: readonly Scalar[], pane: number): Change {
    const base = reader?.group(dimensions, pane, pane + 1)[0]?.cells;
    return this.#rowOf(segments, { dimensions, pane, base });
  }

  /** The row that the generation has so. */
  merge({ segments }: RowMoment, { dimensions, pane, cells }: StateRow): Change {
    return this.#rowOf(segments, { dimensions, pane, base: cells });
  }

  #rowOf(
    segments: readonly Segment[],
    { dimensions, pane, base }: Omit<StateRow, "cells"> & { readonly base: readonly Cell[] | undefined },
  ): Change {
    const group = new GroupKey(this.#view, dimensions);
    let cells = base;
    let isOwn = false;
    for (const segment of segments) {
      const entry = segment.find(pane, group);
      if (entry === undefined) continue;
      if (cells === undefined) {
        cells = entry.cells;
        continue;
      }
      const own: Cell[] = isOwn ? (cells as Cell[]) : copyState(this.#view, cells);
      mergeState(this.#view, own, entry.cells);
      cells = own;
      isOwn = true;
    }
    const key = `{${this.#keyJson(dimensions, pane)}}`;
    const { existence } = this.#view;
    if (cells === undefined || (existence !== undefined && !exists(existence, cells)))
      return { key, row: null };
    return { key, row: this.#rowJson(dimensions, pane, cells) };
  }
}
