import { type Database, open, type RootDatabase } from "lmdb";
import type { App } from "../../views/app.ts";
import { type Offset, offset } from "../../views/cut.ts";
import type { Scalar } from "../../views/expression.ts";
import { storageKey, writeInteger } from "../../views/key.ts";
import {
  type Cell,
  decodeCell,
  type EncodedCell,
  encodeCell,
  type StateColumn,
  type StateRow,
} from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { durableCommits } from "../lmdb.ts";

/**
 * How segments lie in LMDB. The database `segments` names each by the number of its slot; the slot is a database of its
 * own with the segment's states, so that dropping a segment is emptying a slot, whatever its size. Slots are used again.
 */

/** Raised whenever this layout changes; an older store is then set aside, since the log can make it again. */
const layout = 1;

export interface SegmentHeader {
  readonly view: string;
  readonly fingerprint: string;
  readonly topic: string;
  readonly partition: number;
  readonly from: Offset;
  readonly next: Offset;
  readonly isSealed: boolean;
}

/** `[view, fingerprint, topic, partition, from, next, isSealed]` */
type EncodedHeader = [string, string, string, number, number, number, boolean];

/** `[dimensions, pane, cells]` under `storageKey(dimensions)` and then the pane. */
type EncodedRow = [readonly Scalar[], number, EncodedCell[]];

export type Root = RootDatabase<unknown, Uint8Array>;
export type Headers = Database<EncodedHeader, number>;
export type Slot = Database<EncodedRow, Uint8Array>;

/** LMDB must be told how many databases there can be: a chain has seldom more than five segments. */
export function openRoot(path: string, app: App, readOnly: boolean): Root {
  const chains = app.views.reduce((sum, view) => sum + view.partitions.length, 0);
  return open({ path, readOnly, maxDbs: 1024 + 16 * chains, noSubdir: false, ...durableCommits });
}

export function openHeaders(root: Root): Headers | undefined {
  return root.openDB<EncodedHeader, number>(`segments-${layout}`, { encoding: "msgpack" });
}

export function openSlot(root: Root, slot: number): Slot | undefined {
  return root.openDB<EncodedRow, Uint8Array>(`slot-${slot}`, { encoding: "msgpack", keyEncoding: "binary" });
}

export function encodeHeader(header: SegmentHeader): EncodedHeader {
  const { view, fingerprint, topic, partition, from, next, isSealed } = header;
  return [view, fingerprint, topic, partition, from, next, isSealed];
}

export function decodeHeader(encoded: EncodedHeader): SegmentHeader {
  const [view, fingerprint, topic, partition, from, next, isSealed] = encoded;
  return { view, fingerprint, topic, partition, from: offset(from), next: offset(next), isSealed };
}

/** Which of the view's partitions the segment is of; undefined if of none. */
export function partitionIn(view: View, header: SegmentHeader): number | undefined {
  if (header.view !== view.name || header.fingerprint !== view.fingerprint) return undefined;
  const number = view.partitions.findIndex(
    ({ topic, partition }) => topic === header.topic && partition === header.partition,
  );
  return number === -1 ? undefined : number;
}

export function putRow(slot: Slot, row: StateRow): void {
  const group = storageKey(row.dimensions);
  const key = new Uint8Array(group.length + 8);
  key.set(group);
  writeInteger(new DataView(key.buffer), group.length, row.pane);
  slot.put(key, [row.dimensions, row.pane, row.cells.map(encodeCell)]);
}

/** A segment's rows in order of `storageKey`, then pane. Rows of one group share their `dimensions`. */
export function* readRows(
  slot: Slot,
  columns: readonly StateColumn[],
  transaction?: ReturnType<Slot["useReadTransaction"]>,
): Generator<StateRow & { readonly cells: Cell[] }, void, undefined> {
  let group = new Uint8Array();
  let shared: readonly Scalar[] = [];
  for (const { key, value } of slot.getRange(transaction === undefined ? {} : { transaction })) {
    const [dimensions, pane, cells] = value;
    const length = key.length - 8;
    if (length !== group.length || !startsWith(key, group)) {
      group = key.slice(0, length);
      shared = dimensions;
    }
    yield { dimensions: shared, pane, cells: cells.map((cell, i) => decode(columns, i, cell)) };
  }
}

function decode(columns: readonly StateColumn[], i: number, cell: EncodedCell): Cell {
  const column = columns[i];
  return column === undefined ? cell : decodeCell(column, cell);
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false;
  return true;
}
