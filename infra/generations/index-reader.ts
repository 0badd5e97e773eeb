import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";
import { encodeKey, storageKey, wholeKeyBytes } from "../../views/key.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { blockMsOf, blockStartOf, decodeDimensions, decodeRows } from "./block.ts";
import type { GenerationReader, Manifest, ValueRange } from "./generations.ts";
import { type IndexFile, NumberedKey, numberOf, openIndexFile } from "./index-file.ts";

/** Up to so many blocks a group is read by `get`s; a cursor is dearer to set up and cheaper per block. */
const maxGets = 16;
/** Blocks out of range that are stepped over before it is worth while to seek. */
const maxSteps = 4;

/** An open generation. Reads between two rows of a scan hold nothing open, so that closing never waits for a scan. */
export class IndexReader implements GenerationReader {
  readonly manifest: Manifest;
  readonly statesPaths: readonly string[];
  readonly #view: View;
  readonly #blockMs: number;
  readonly #file: IndexFile;
  readonly #closed: () => void;
  #isClosed = false;

  constructor(
    view: View,
    manifest: Manifest,
    paths: { readonly index: string; readonly states: readonly string[] },
    closed: () => void,
  ) {
    this.manifest = manifest;
    this.statesPaths = paths.states;
    this.#view = view;
    this.#blockMs = blockMsOf(view);
    this.#file = openIndexFile(paths.index, "read");
    this.#closed = closed;
  }

  group(
    dimensions: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
  ): readonly StateRow[] {
    this.#requireOpen();
    const rows: StateRow[] = [];
    const range = this.#clamp(from, to);
    if (range === undefined) return rows;
    const { rows: blocks } = this.#file;
    const key = new NumberedKey(storageKey(dimensions));
    const first = blockStartOf(this.#blockMs, range.from);
    const last = blockStartOf(this.#blockMs, range.to - 1);
    if (last - first < maxGets * this.#blockMs || this.#blockMs === 0) {
      for (let start = first; start <= last; start += this.#blockMs) {
        const bytes = blocks.getBinaryFast(key.at(start));
        if (bytes !== undefined) decodeRows(this.#view, bytes, start, dimensions, range.from, range.to, rows);
        if (this.#blockMs === 0) break;
      }
      return rows;
    }
    const end = Buffer.from(key.at(last));
    for (const { key: at, value } of blocks.getRange({ start: key.at(first), end, inclusiveEnd: true })) {
      decodeRows(this.#view, value, numberOf(at), dimensions, range.from, range.to, rows);
    }
    return rows;
  }

  *scan(
    prefix: readonly Scalar[],
    from: number | undefined,
    to: number | undefined,
    within?: ValueRange,
  ): Generator<StateRow, void, undefined> {
    const range = this.#clamp(from, to);
    if (range === undefined) return;
    if (prefix.length === this.#view.dimensions.length) {
      yield* this.group(prefix, range.from, range.to);
      return;
    }
    const { first, end } = keysOf(prefix, within);
    let start: Uint8Array | undefined = first;
    for (let rowsAtOnce = 32; start !== undefined; rowsAtOnce = Math.min(rowsAtOnce * 4, 2_048)) {
      this.#requireOpen();
      const rows: StateRow[] = [];
      start = this.#collect(prefix, start, end, range, rowsAtOnce, rows);
      yield* rows;
    }
  }

  *drift(): Generator<Omit<StateRow, "cells"> & { readonly cells: readonly Cell[] | null }, void, undefined> {
    let start: Uint8Array | undefined = new Uint8Array();
    while (start !== undefined) {
      this.#requireOpen();
      const entries: { key: Buffer; value: Buffer }[] = [
        ...this.#file.drift.getRange({ start, limit: 256 }),
      ] as { key: Buffer; value: Buffer }[];
      for (const { key, value } of entries) {
        const pane = numberOf(key);
        const dimensions = decodeDimensions(value);
        const rows: StateRow[] = [];
        decodeRows(this.#view, value, pane, dimensions, pane, pane + 1, rows);
        yield { dimensions, pane, cells: rows[0]?.cells ?? null };
      }
      const last: Buffer | undefined = entries.at(-1)?.key;
      start = last === undefined || entries.length < 256 ? undefined : justAfter(last);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#file.root.close();
    this.#closed();
  }

  /**
   * Rows of one stretch of blocks, at least `rowsAtOnce` unless the blocks run out. Gives the key to go on from. Within
   * a group it seeks past what is out of range.
   */
  #collect(
    prefix: readonly Scalar[],
    start: Uint8Array,
    end: Uint8Array | undefined,
    range: { readonly from: number; readonly to: number },
    rowsAtOnce: number,
    rows: StateRow[],
  ): Uint8Array | undefined {
    let steps = 0;
    let group: { readonly key: Uint8Array; readonly dimensions: readonly Scalar[] } | undefined;
    const options = end === undefined ? { start } : { start, end };
    for (const { key, value } of this.#file.rows.getRange(options) as Iterable<{
      key: Buffer;
      value: Buffer;
    }>) {
      if (rows.length >= rowsAtOnce) return key;
      const blockStart = numberOf(key);
      const isBefore = this.#blockMs !== 0 && blockStart + this.#blockMs <= range.from;
      if (isBefore || blockStart >= range.to) {
        if (++steps <= maxSteps) continue;
        const seek = new NumberedKey(key.subarray(0, -8));
        return seek.at(isBefore ? blockStartOf(this.#blockMs, range.from) : Number.MAX_SAFE_INTEGER);
      }
      steps = 0;
      const groupKey = key.subarray(0, -8);
      if (group === undefined || Buffer.compare(group.key, groupKey) !== 0) {
        group = { key: groupKey, dimensions: decodeDimensions(value) };
      }
      const { dimensions } = group;
      if (prefix.every((part, i) => part === dimensions[i])) {
        decodeRows(this.#view, value, blockStart, dimensions, range.from, range.to, rows);
      }
    }
    return undefined;
  }

  /** The part of the range in which the generation has panes at all; undefined if there is none. */
  #clamp(
    from = Number.NEGATIVE_INFINITY,
    to = Number.POSITIVE_INFINITY,
  ): { readonly from: number; readonly to: number } | undefined {
    const { panes } = this.manifest;
    if (panes === null) return undefined;
    const range = { from: Math.max(from, panes.first), to: Math.min(to, panes.last + 1) };
    return range.from < range.to ? range : undefined;
  }

  #requireOpen(): void {
    if (!this.#isClosed) return;
    throw new TidemarkError(
      "TIDEMARK_INTERNAL",
      `generation "${this.manifest.id}" of view "${this.#view.name}" was read after it was closed`,
    );
  }
}

/** The keys that begin so, from the first on; where they are cut off, a few more. */
function keysOf(
  prefix: readonly Scalar[],
  { from, to }: ValueRange = { from: undefined, to: undefined },
): { readonly first: Uint8Array; readonly end: Uint8Array | undefined } {
  const first = storedPart(from === undefined ? prefix : [...prefix, from]);
  if (to === undefined) return { first, end: after(storedPart(prefix)) };
  const last = encodeKey([...prefix, to]);
  return { first, end: last.length > wholeKeyBytes ? after(last.subarray(0, wholeKeyBytes)) : last };
}

function storedPart(values: readonly Scalar[]): Uint8Array {
  const whole = encodeKey(values);
  return whole.length > wholeKeyBytes ? whole.subarray(0, wholeKeyBytes) : whole;
}

/** The least key that is greater than all keys which begin so; undefined: there is none. */
function after(prefix: Uint8Array): Uint8Array | undefined {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const byte = prefix[i] ?? 0xff;
    if (byte < 0xff) {
      const next = prefix.slice(0, i + 1);
      next[i] = byte + 1;
      return next;
    }
  }
  return undefined;
}

function justAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
