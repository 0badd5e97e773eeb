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
      const key = storageKey(row.dimensions);
      if (before !== undefined && compareKeys(key, this.#key) <= 0) throw outOfOrder(this.#view, before, row);
      this.#endBlock();
      this.#key = key;
    }
    const start = blockStartOf(this.#blockMs, row.pane);
    if (isSameGroup && start !== this.#blockStart) this.#endBlock();
    this.#blockStart = start;
    this.#block.push(row);
    if (!this.#hasBase) this.#rows++;
    if (row.pane < this.#first) this.#first = row.pane;
    if (row.pane > this.#last) this.#last = row.pane;
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
    const rows = this.#hasBase ? this.#overBase(key, this.#block) : this.#block;
    const value = encodeBlock(this.#view, this.#blockStart, first.dimensions, rows);
    this.#block = [];
    this.#put({ into: "rows", key, value });
  }

  /** The base's rows of the block, of which those given replace what has their key. */
  #overBase(key: Buffer, rows: readonly StateRow[]): readonly StateRow[] {
    const bytes = this.#file.rows.getBinary(key);
    const before: StateRow[] = [];
    const { dimensions = [] } = rows[0] ?? {};
    if (bytes !== undefined) {
      const [from, to] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      decodeRows(this.#view, bytes, this.#blockStart, dimensions, from, to, before);
    }
    const panes = new Set(rows.map(({ pane }) => pane));
    const kept = before.filter(({ pane }) => !panes.has(pane));
    this.#rows += kept.length + rows.length - before.length;
    return [...kept, ...rows].sort((a, b) => a.pane - b.pane);
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
