import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";
import { compareKeys, storageKey } from "../../views/key.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { Block, blockMsOf, blockStartOf } from "./block.ts";
import type { Manifest } from "./generations.ts";
import { type IndexFile, NumberedKey, openIndexFile } from "./index-file.ts";

const maxBatchBytes = 4 << 20;
/** How many differing keys are kept. */
export const maxDrift = 100_000;

interface Put {
  readonly into: "rows" | "drift";
  readonly key: Buffer;
  readonly value: Buffer;
}

/** A block, and the group that it is of. */
interface OfGroup {
  readonly dimensions: readonly Scalar[];
  readonly block: Block;
}

/**
 * Writes the index of a generation in the making. Rows come in order; memory is bounded by one batch of blocks. Where the file
 * is a copy of a base's, a row takes the place of that of its key, and blocks that no row falls into stay as they are.
 */
export class IndexWriter {
  readonly #view: View;
  readonly #blockMs: number;
  readonly #file: IndexFile;
  readonly #hasBase: boolean;
  /** That is being filled. */
  #filling: OfGroup | undefined;
  /** Of the base, that was asked for last. */
  #asked: OfGroup | undefined;
  #added: StateRow | undefined;
  #key: Uint8Array = new Uint8Array();
  #lastKey: { readonly dimensions: readonly Scalar[]; readonly key: Uint8Array } | undefined;
  #batch: Put[] = [];
  #batchBytes = 0;
  #rows = 0;
  #drift = 0;
  /** What the base differed from is still in the copy. */
  #isDriftOfBase = false;
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;

  constructor(path: string, view: View, base?: Pick<Manifest, "rows" | "panes">) {
    this.#view = view;
    this.#blockMs = blockMsOf(view);
    this.#hasBase = base !== undefined;
    this.#file = openIndexFile(path, this.#hasBase ? "update" : "write");
    if (base === undefined) return;
    this.#rows = base.rows;
    if (base.panes !== null) [this.#first, this.#last] = [base.panes.first, base.panes.last];
    this.#isDriftOfBase = true;
  }

  get rows(): number {
    return this.#rows;
  }

  /** First and last pane of all rows, those of a base too. */
  get panes(): { readonly first: number; readonly last: number } | null {
    return this.#rows === 0 ? null : { first: this.#first, last: this.#last };
  }

  /** The row must not change after. Throws TIDEMARK_STORE_CORRUPT for one that is out of order or a second of its key. */
  add(row: StateRow): void {
    const { dimensions, pane, cells } = row;
    const before = this.#added;
    const isSameGroup = before !== undefined && sameValues(before.dimensions, dimensions);
    if (isSameGroup && pane <= before.pane) throw outOfOrder(this.#view, before, row);
    const start = blockStartOf(this.#blockMs, pane);
    if (!isSameGroup || start !== this.#filling?.block.start) {
      const key = this.#keyOf(dimensions);
      if (!isSameGroup && before !== undefined && compareKeys(key, this.#key) <= 0)
        throw outOfOrder(this.#view, before, row);
      this.#endBlock();
      this.#key = key;
      this.#filling = this.#hasBase
        ? this.#baseAt(dimensions, start)
        : { dimensions, block: new Block(this.#view, start) };
    }
    if (this.#filling?.block.put(pane, cells)) this.#rows++;
    this.#added = row;
    if (pane < this.#first) this.#first = pane;
    if (pane > this.#last) this.#last = pane;
  }

  /**
   * What the base has under the key, undefined if nothing; the cells are its own. Keys are asked for in the order of rows, and
   * before the row that takes the place. Throws TIDEMARK_STORE_CORRUPT.
   */
  baseCells(dimensions: readonly Scalar[], pane: number): readonly Cell[] | undefined {
    return this.#baseAt(dimensions, blockStartOf(this.#blockMs, pane)).block.cellsAt(pane);
  }

  /** In any order; what goes beyond `maxDrift` is let go of. */
  addDrift(row: Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null }): void {
    if (this.#drift++ >= maxDrift) return;
    const { dimensions, pane, cells } = row;
    const block = new Block(this.#view, pane);
    if (cells !== null) block.put(pane, cells);
    const key = new NumberedKey(storageKey(dimensions)).at(pane);
    this.#put({ into: "drift", key, value: block.encode(dimensions) });
  }

  flush(): void {
    this.#endBlock();
    this.#writeBatch();
  }

  async close(): Promise<void> {
    this.flush();
    await this.#file.root.close();
  }

  #endBlock(): void {
    if (this.#filling === undefined) return;
    const { dimensions, block } = this.#filling;
    this.#filling = undefined;
    const key = new NumberedKey(this.#key).at(block.start);
    this.#put({ into: "rows", key, value: block.encode(dimensions) });
  }

  /** Mostly the block that was asked for last. */
  #baseAt(dimensions: readonly Scalar[], start: number): OfGroup {
    const last = this.#asked;
    if (last !== undefined && last.block.start === start && sameValues(last.dimensions, dimensions))
      return last;
    const key = new NumberedKey(this.#keyOf(dimensions)).at(start);
    try {
      const bytes = this.#file.rows.getBinaryFast(key);
      const block =
        bytes === undefined ? new Block(this.#view, start) : Block.decode(this.#view, start, bytes);
      this.#asked = { dimensions, block };
      return this.#asked;
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new TidemarkError(
        "TIDEMARK_STORE_CORRUPT",
        `the base of view "${this.#view.name}" can't be read at ${JSON.stringify(dimensions)}: ${reason}`,
        { cause },
      );
    }
  }

  /** Rows of one group mostly share their dimensions, and follow each other. */
  #keyOf(dimensions: readonly Scalar[]): Uint8Array {
    if (this.#lastKey?.dimensions !== dimensions) {
      this.#lastKey = { dimensions, key: storageKey(dimensions) };
    }
    return this.#lastKey.key;
  }

  #put(put: Put): void {
    this.#batch.push(put);
    this.#batchBytes += put.key.length + put.value.length;
    if (this.#batchBytes >= maxBatchBytes) this.#writeBatch();
  }

  /** One transaction. Blocks come in order of key, and behind each other but for a base's; drift does not need to. */
  #writeBatch(): void {
    this.#file.root.transactionSync(() => {
      if (this.#isDriftOfBase) this.#file.drift.clearSync();
      this.#isDriftOfBase = false;
      for (const { into, key, value } of this.#batch) {
        this.#file[into].putSync(key, value, { append: into === "rows" && !this.#hasBase });
      }
    });
    this.#batch = [];
    this.#batchBytes = 0;
  }
}

function sameValues(a: readonly Scalar[], b: readonly Scalar[]): boolean {
  if (a === b) return true;
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function outOfOrder(view: View, before: StateRow, row: StateRow): TidemarkError {
  const name = ({ dimensions, pane }: StateRow) => `${JSON.stringify(dimensions)} at ${pane}`;
  return new TidemarkError(
    "TIDEMARK_STORE_CORRUPT",
    `view "${view.name}": row ${name(row)} came after ${name(before)}; rows of a generation come in order of key, then pane, each once`,
  );
}
