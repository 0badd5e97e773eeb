import { blockMsOf, blockStartOf } from "../infra/generations/block.ts";
import type { GenerationReader } from "../infra/generations/generations.ts";
import { TidemarkError } from "../views/errors.ts";
import type { Cell, StateRow } from "../views/state.ts";
import type { View } from "../views/view.ts";

/** Looks states up in a generation. Keys are asked for in order: the block of the last one is remembered. */
export class BaseStates {
  readonly #view: View;
  readonly #reader: Pick<GenerationReader, "group" | "manifest">;
  readonly #blockMs: number;
  #dimensions: StateRow["dimensions"] | undefined;
  #blockStart = 0;
  #panes = new Map<number, readonly Cell[]>();

  constructor(view: View, reader: Pick<GenerationReader, "group" | "manifest">) {
    this.#view = view;
    this.#reader = reader;
    this.#blockMs = blockMsOf(view);
  }

  /** Undefined where the generation has no such key. The cells belong to it. Throws TIDEMARK_STORE_CORRUPT. */
  cells({ dimensions, pane }: Pick<StateRow, "dimensions" | "pane">): readonly Cell[] | undefined {
    const start = blockStartOf(this.#blockMs, pane);
    if (start !== this.#blockStart || !this.#isSameGroup(dimensions)) {
      const to = this.#blockMs === 0 ? undefined : start + this.#blockMs;
      this.#panes = new Map(this.#read(dimensions, start, to).map((row) => [row.pane, row.cells]));
      this.#blockStart = start;
      this.#dimensions = dimensions;
    }
    return this.#panes.get(pane);
  }

  #isSameGroup(dimensions: StateRow["dimensions"]): boolean {
    const before = this.#dimensions;
    return (
      before === dimensions || (before !== undefined && dimensions.every((value, i) => value === before[i]))
    );
  }

  #read(dimensions: StateRow["dimensions"], from: number, to: number | undefined): readonly StateRow[] {
    try {
      return this.#reader.group(dimensions, from, to);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new TidemarkError(
        "TIDEMARK_STORE_CORRUPT",
        `generation "${this.#reader.manifest.id}" of view "${this.#view.name}" can't be read at ${JSON.stringify(dimensions)}: ${reason}`,
        { cause },
      );
    }
  }
}
