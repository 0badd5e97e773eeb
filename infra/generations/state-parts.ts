import { constants } from "node:fs";
import { copyFile, link } from "node:fs/promises";
import { isUnlinkable } from "../durable.ts";
import type { Manifest } from "./generations.ts";

/**
 * The states of a generation lie in Parquet files by panes: each file has those from its first pane on up to that of the
 * next. What comes in mostly lies in the latest panes, so that a generation that goes on from another shares most files with it.
 */
export interface StatesPart {
  /** In the generation's folder. */
  readonly file: string;
  /** The first pane that it may hold; null: however early. Parts stand in this order, of which the first has null. */
  readonly from: number | null;
  readonly rows: number;
}

/** The part that a generation which has only one has, and all that former versions wrote. */
export const onlyFile = "states.parquet";

export function partsOf({ parts, rows }: Pick<Manifest, "parts" | "rows">): readonly StatesPart[] {
  return parts ?? [{ file: onlyFile, from: null, rows }];
}

/** Which part holds the pane, by its place in the list. */
export function partAt(parts: readonly StatesPart[], pane: number): number {
  let [low, high] = [0, parts.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((parts[middle]?.from ?? Number.NEGATIVE_INFINITY) <= pane) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Names for new files beside those that are taken: `states.parquet`, `states-2.parquet`, … */
export function* freeFiles(taken: readonly string[]): Generator<string, never, undefined> {
  for (let number = 1; ; number++) {
    const file = number === 1 ? onlyFile : `states-${number}.parquet`;
    if (!taken.includes(file)) yield file;
  }
}

/** The same file by another name, which stays when the first goes; a copy where the file system has no such thing. */
export async function linkOrCopy(from: string, to: string): Promise<"link" | "copy"> {
  try {
    await link(from, to);
    return "link";
  } catch (error) {
    if (!isUnlinkable(error)) throw error;
    await copyAll(from, to);
    return "copy";
  }
}

/** A file of its own; it shares its blocks with the first as long as neither changes them, where the file system can. */
export function copyAll(from: string, to: string): Promise<void> {
  return copyFile(from, to, constants.COPYFILE_FICLONE);
}
