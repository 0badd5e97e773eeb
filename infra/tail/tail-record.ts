import { Packr } from "msgpackr";
import type { Offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Scalar } from "../../views/expression.ts";
import { decodeCell, type EncodedCell, encodeCell, type StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import type { Append } from "../log/log.ts";

/**
 * What stands in a tail topic: `<topic>.tail` has as many partitions as the topic of the events, and partition p of it
 * tells, in order, all that the tail of partition p has been. See `docs/adr/0016-tail-topics.md`.
 *
 * Who folds a partition claims it under an epoch of its own; what others write under an earlier one counts for nothing.
 */
export type TailRecord =
  | {
      readonly kind: "claim";
      readonly epoch: number;
      readonly owner: string;
      /** What is told from here to the snapshot takes the place of all that was told before, in one go. */
      readonly renews?: true;
    }
  | (OfView & { readonly kind: "start"; readonly at: Offset })
  | (OfView & { readonly kind: "rows"; readonly base: Offset; readonly rows: readonly EncodedRow[] })
  | (OfView & {
      /**
       * The segment that begins at `base` covers the records up to `next`; the rows since the record before this one that
       * changed between `from` and `next` are its states as they are at `next`.
       */
      readonly kind: "segment";
      readonly base: Offset;
      readonly from: Offset;
      readonly next: Offset;
      readonly isSealed: boolean;
    })
  /** All that a reader needs who knows nothing stands between the claim `from` which this snapshot begins and here. */
  | {
      readonly kind: "snapshot";
      readonly epoch: number;
      readonly snapshot: string;
      /** The renewal that it answers. */
      readonly request?: string;
    }
  /** Anybody may ask whoever owns the partition to seal. */
  | { readonly kind: "seal-request"; readonly request: string }
  /** Or to fold what lies after the cuts of the generations that serve once more, and to tell that in the place of all else. */
  | { readonly kind: "renew-request"; readonly request: string }
  | { readonly kind: "sealed"; readonly epoch: number; readonly request: string; readonly next: Offset };

interface OfView {
  readonly epoch: number;
  readonly view: ViewName;
}

/** Which declaration of which view. */
export interface ViewName {
  readonly name: string;
  readonly fingerprint: string;
}

/** `[dimensions, pane, cells]` */
export type EncodedRow = readonly [readonly Scalar[], number, readonly EncodedCell[]];

/** Raised whenever a record's meaning changes: readers of another format refuse it. */
const format = 1;

const packr = new Packr({ useRecords: false });

export function encodeTailRecord(record: TailRecord): Uint8Array {
  return packr.pack([format, record]);
}

/** Throws TIDEMARK_STORE_CORRUPT for what no version wrote, or another one than this. */
export function decodeTailRecord(bytes: Uint8Array): TailRecord {
  let decoded: unknown;
  try {
    decoded = packr.unpack(bytes);
  } catch (cause) {
    throw new TidemarkError("TIDEMARK_STORE_CORRUPT", "a record of a tail topic can't be read", { cause });
  }
  if (Array.isArray(decoded) && decoded[0] === format) return decoded[1] as TailRecord;
  throw new TidemarkError(
    "TIDEMARK_STORE_CORRUPT",
    `a record of a tail topic is not of format ${format}, which this version reads and writes: run one version of Tidemark in all roles`,
  );
}

export function encodeRow({ dimensions, pane, cells }: StateRow): EncodedRow {
  return [dimensions, pane, cells.map(encodeCell)];
}

export function decodeRow(view: View, [dimensions, pane, cells]: EncodedRow): StateRow {
  return {
    dimensions,
    pane,
    cells: cells.map((cell, i) => {
      const column = view.columns[i];
      return column === undefined ? cell : decodeCell(column, cell);
    }),
  };
}

export function viewNameOf({ name, fingerprint }: View): ViewName {
  return { name, fingerprint };
}

/** The record on its way to the tail of a partition. Its key is its kind: who owns the partition need not read its own states. */
export function tailAppend(topic: string, partition: number, record: TailRecord): Append {
  return { topic: tailTopic(topic), partition, key: record.kind, value: encodeTailRecord(record) };
}

/** The tail topic of a topic. */
export function tailTopic(topic: string): string {
  return `${topic}.tail`;
}
