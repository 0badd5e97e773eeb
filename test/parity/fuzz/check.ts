import type { BatchRow } from "../../../batch-layer/state-rows.ts";
import {
  Block,
  blockMsOf,
  blockStartOf,
  decodeDimensions,
  decodeRows,
} from "../../../infra/generations/block.ts";
import type { TailSegment } from "../../../infra/tail/segment.ts";
import { sessionRows } from "../../../views/session-rows.ts";
import { slidingRows, slidingWindow } from "../../../views/sliding-rows.ts";
import { mergeSorted } from "../../../views/sorted-rows.ts";
import { type Cell, encodeCell, isSameCell, isSketch, type StateRow } from "../../../views/state.ts";
import { noiseOf, shownView, type View } from "../../../views/view.ts";
import { type Case, jsonOf } from "./case.ts";
import { coarserAnswers } from "./coarser.ts";
import { declare } from "./declare.ts";
import type { Layers } from "./layers.ts";
import { answer, type ExpectedRow, keyOf } from "./oracle.ts";

/** Computes a case every way there is; throws, in words, at the first two that disagree. */
export async function check(layers: Layers, c: Case): Promise<void> {
  const view = declare(c);
  const { batch, prefix, suffix, whole, replayed } = await layers.compute(c, view);
  sameStates(view, batch, merge(view, prefix));
  if (replayed !== undefined) {
    // Merged in one order: that of a view's partitions is not always that of the case's sources.
    const inOrder = [...prefix].sort((a, b) => a.partition - b.partition);
    sameRows("the replay", merge(view, replayed), merge(view, inOrder));
  }
  const expected = answer(c);
  const merged = [...mergeSorted(view, [batch, ...sorted(suffix)])];
  sameValues(view, "the fold of everything", [...mergeSorted(view, sorted(whole))], expected);
  sameValues(view, "SQL up to the cut merged with the fold from there on", merged, expected);
  for (const { rows, expected: wider } of coarserAnswers(c, view, merged)) {
    sameValues(view, "what was merged, rolled up,", rows, wider);
  }
  const stored = [batch, ...sorted(suffix)].map((rows) => rows.map((row) => throughBlock(view, row)));
  sameRows("what was merged after being stored", [...mergeSorted(view, stored)], merged);
}

function merge(view: View, segments: readonly TailSegment[]): readonly StateRow[] {
  return [...mergeSorted(view, sorted(segments))];
}

function sorted(segments: readonly TailSegment[]): readonly (readonly StateRow[])[] {
  return segments.map((segment) => segment.sortedRows());
}

function byKey<Row extends StateRow>(who: string, rows: readonly Row[]): Map<string, Row> {
  const map = new Map(rows.map((row) => [keyOf(row.dimensions, row.pane), row]));
  if (map.size < rows.length) throw new Error(`${who} has a key twice: ${jsonOf(rows)}`);
  return map;
}

function sameKeys(who: string, keys: Iterable<string>, other: string, others: Iterable<string>): void {
  const [mine, theirs] = [new Set(keys), new Set(others)];
  for (const key of mine) if (!theirs.has(key)) throw new Error(`${who} has ${key}, ${other} has not`);
  for (const key of theirs) if (!mine.has(key)) throw new Error(`${other} has ${key}, ${who} has not`);
}

/** Cells are equal, but for sums of floats within their slack, and of their squares within their noise. */
function sameStates(view: View, batch: readonly BatchRow[], folded: readonly StateRow[]): void {
  const [mine, theirs] = [byKey("SQL", batch), byKey("the fold", folded)];
  sameKeys("SQL", mine.keys(), "the fold of the same records", theirs.keys());
  for (const [key, row] of mine) {
    row.cells.forEach((cell, i) => {
      const other = theirs.get(key)?.cells[i] ?? null;
      const slack = (row.slack[i] ?? 0) + noiseOf(view, row.cells, i);
      if (!isSameCell(cell, other) && !isWithin(cell, other, slack)) {
        throw new Error(`cell ${i} of ${key} is ${show(cell)} in SQL, ${show(other)} in the fold`);
      }
    });
  }
}

function sameValues(
  view: View,
  who: string,
  rows: readonly StateRow[],
  expected: ReadonlyMap<string, ExpectedRow>,
): void {
  const { sessions } = view;
  const sliding = slidingWindow(view);
  const shown = sliding === undefined ? rows : [...slidingRows(view, sliding, rows)];
  const mine = byKey(who, sessions === undefined ? shown : [...sessionRows(sessions, rows)]);
  sameKeys(who, mine.keys(), "the oracle", expected.keys());
  for (const [key, { cells }] of mine) {
    shownView(view).measures.forEach(({ name, aggregate, firstCell }) => {
      const { value, slack } = expected.get(key)?.values.get(name) ?? { value: undefined, slack: 0 };
      const actual = aggregate.present(cells, firstCell);
      if (!isWithin(actual, value, slack)) {
        throw new Error(`${name} of ${key} is ${show(actual)} in ${who}, ${show(value)} by the oracle`);
      }
    });
  }
}

function sameRows(who: string, rows: readonly StateRow[], others: readonly StateRow[]): void {
  const [mine, theirs] = [byKey(who, rows), byKey("what was merged", others)];
  sameKeys(who, mine.keys(), "what was merged", theirs.keys());
  for (const [key, { cells }] of mine) {
    cells.forEach((cell, i) => {
      const other = theirs.get(key)?.cells[i] ?? null;
      if (!Object.is(cell, other) && !(isSketch(cell) && isSameCell(cell, other))) {
        throw new Error(`cell ${i} of ${key} is ${show(cell)} in ${who}, ${show(other)} before`);
      }
    });
  }
}

/** The same kind of value, too: 1 is not 1n. An infinite slack is that of sums that overflow. */
function isWithin(a: unknown, b: unknown, slack: number): boolean {
  if (Object.is(a, b) || a === b || (Array.isArray(a) && jsonOf(a) === jsonOf(b))) return true;
  if (typeof a !== "number" || typeof b !== "number") return false;
  return slack === Number.POSITIVE_INFINITY || Math.abs(a - b) <= slack;
}

function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (isSketch(value as Cell)) return String(encodeCell(value as Cell));
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : String(jsonOf(value));
}

/** The row as it is written into a generation's index, or sent, and read again. */
function throughBlock(view: View, row: StateRow): StateRow {
  const start = blockStartOf(blockMsOf(view), row.pane);
  const block = new Block(view, start);
  block.put(row.pane, row.cells);
  const bytes = block.encode(row.dimensions);
  const rows: { dimensions: StateRow["dimensions"]; pane: number; cells: Cell[] }[] = [];
  const [from, to] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  decodeRows(view, bytes, start, decodeDimensions(bytes), from, to, rows);
  const [read] = rows;
  if (read === undefined || rows.length > 1) throw new Error(`a block of one row was read as ${rows.length}`);
  return read;
}
