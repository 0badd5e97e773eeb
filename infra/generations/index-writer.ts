import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";
import { compareKeys, storageKey } from "../../views/key.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { blockMsOf, blockStartOf, decodeRows, encodeBlock } from "./block.ts";
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

interface BaseBlock {
  readonly dimensions: readonly Scalar[];
  readonly start: number;
  readonly rows: readonly StateRow[];
}

const everywhere = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

/**
 * Writes the index of a generation in the making. Rows come in order; memory is bounded by one batch of blocks. Where the file
 * is a copy of a base's, a row takes the place of that of its key, and blocks that no row falls into stay as they are.
 */
export class IndexWriter {
  readonly #view: View;
  readonly #blockMs: number;
  readonly #file: IndexFile;
  readonly #hasBase: boolean;
  #block: StateRow[] = [];
  #blockStart = 0;
  #key: Uint8Array = new Uint8Array();
  /** Of the base, the rows of the block that is being filled. */
  #blockBase: readonly StateRow[] = [];
  #lastBase: BaseBlock | undefined;
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
    const before = this.#block.at(-1);
    const isSameGroup = before !== undefined && sameValues(before.dimensions, row.dimensions);
    if (isSameGroup) {
      if (row.pane <= before.pane) throw outOfOrder(this.#view, before, row);
    } else {
      const key = this.#keyOf(row.dimensions);
      if (before !== undefined && compareKeys(key, this.#key) <= 0) throw outOfOrder(this.#view, before, row);
      this.#endBlock();
      this.#key = key;
    }
    const start = blockStartOf(this.#blockMs, row.pane);
    if (isSameGroup && start !== this.#blockStart) this.#endBlock();
    this.#blockStart = start;
    if (this.#hasBase && this.#block.length === 0) this.#blockBase = this.#baseAt(row.dimensions, start).rows;
    this.#block.push(row);
    if (!this.#hasBase) this.#rows++;
    if (row.pane < this.#first) this.#first = row.pane;
    if (row.pane > this.#last) this.#last = row.pane;
  }

  /**
   * What the base has under the key, undefined if nothing; the cells are its own. Keys are asked for in the order of rows, and
   * before the row that takes the place. Throws TIDEMARK_STORE_CORRUPT.
   */
  baseCells(dimensions: readonly Scalar[], pane: number): readonly Cell[] | undefined {
    const { rows } = this.#baseAt(dimensions, blockStartOf(this.#blockMs, pane));
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((rows[middle]?.pane ?? 0) < pane) low = middle + 1;
      else high = middle;
    }
    const row = rows[low];
    return row?.pane === pane ? row.cells : undefined;
  }

  /** In any order; what goes beyond `maxDrift` is let go of. */
  addDrift(row: Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null }): void {
    if (this.#drift++ >= maxDrift) return;
    const { dimensions, pane, cells } = row;
    const value = encodeBlock(
      this.#view,
      pane,
      dimensions,
      cells === null ? [] : [{ dimensions, pane, cells }],
    );
    this.#put({ into: "drift", key: new NumberedKey(storageKey(dimensions)).at(pane), value });
  }

  async close(): Promise<void> {
    this.#endBlock();
    this.#writeBatch();
    await this.#file.root.close();
  }

  #endBlock(): void {
    const [first] = this.#block;
    if (first === undefined) return;
    const key = new NumberedKey(this.#key).at(this.#blockStart);
    const rows = this.#hasBase ? this.#overBase(this.#blockBase, this.#block) : this.#block;
    const value = encodeBlock(this.#view, this.#blockStart, first.dimensions, rows);
    this.#block = [];
    this.#put({ into: "rows", key, value });
  }

  /** The rows of the base's block, of which those given replace what has their key. */
  #overBase(before: readonly StateRow[], rows: readonly StateRow[]): readonly StateRow[] {
    const merged: StateRow[] = [];
    let next = 0;
    for (const row of rows) {
      for (let kept = before[next]; kept !== undefined && kept.pane < row.pane; kept = before[++next]) {
        merged.push(kept);
      }
      if (before[next]?.pane === row.pane) next++;
      else this.#rows++;
      merged.push(row);
    }
    for (let kept = before[next]; kept !== undefined; kept = before[++next]) merged.push(kept);
    return merged;
  }

  /** The base's block, which is mostly the one that was asked for last. */
  #baseAt(dimensions: readonly Scalar[], start: number): BaseBlock {
    const last = this.#lastBase;
    if (last !== undefined && last.start === start && sameValues(last.dimensions, dimensions)) return last;
    const rows: StateRow[] = [];
    const key = new NumberedKey(this.#keyOf(dimensions)).at(start);
    try {
      const bytes = this.#file.rows.getBinaryFast(key);
      if (bytes !== undefined) decodeRows(this.#view, bytes, start, dimensions, ...everywhere, rows);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new TidemarkError(
        "TIDEMARK_STORE_CORRUPT",
        `the base of view "${this.#view.name}" can't be read at ${JSON.stringify(dimensions)}: ${reason}`,
        { cause },
      );
    }
    this.#lastBase = { dimensions, start, rows };
    return this.#lastBase;
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

  /** One transaction, since each is synced. Blocks come in order of key, and behind each other but for a base's; drift does not need to. */
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
