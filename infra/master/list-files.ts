import { readdir } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { coldFolderOf, requireReachable } from "./cold-folder.ts";
import { type FileName, isSameRange, parseFileName } from "./file-names.ts";
import type { MasterFile } from "./master.ts";

/** A file of records, or of what stands beside one, as its name says it. */
export interface NamedFile extends FileName, Pick<MasterFile, "isCold" | "path"> {}

/** Where a partition's files are; `root` is the master dataset's folder, or its cold one. */
export function partitionFolder(root: string, topic: string, partition: number): string {
  return join(root, topic, String(partition));
}

/**
 * All files of a partition, in order of range; of one range, in the order in which they came to be; of one that is in
 * both folders, last where it is on its way to. TIDEMARK_STORE_COLD_MISSING or _FOREIGN where the cold folder can't be
 * read.
 */
export async function listFiles(
  root: string,
  topic: string,
  partition: number,
): Promise<readonly NamedFile[]> {
  // First: what is gone from here since is in the cold folder by then.
  const hot = await namedIn(partitionFolder(root, topic, partition));
  const cold = await coldFolderOf(root);
  if (cold === undefined) return inOrder(hot);
  // Afterwards, or on failure: where no disk is mounted there are no files either.
  const files = await namedIn(partitionFolder(cold.folder, topic, partition)).finally(() =>
    requireReachable(cold),
  );
  const there = files.map((file) => ({ ...file, isCold: true as const }));
  return inOrder(cold.towards === "cold" ? [...hot, ...there] : [...there, ...hot]);
}

/** Whether one stands beside the other, or is it. */
export function isBeside(a: Pick<MasterFile, "from" | "next" | "erased" | "path">, b: NamedFile): boolean {
  return isSameRange(a, b) && dirname(a.path) === dirname(b.path);
}

async function namedIn(folder: string): Promise<readonly NamedFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names.sort().flatMap((name): readonly NamedFile[] => {
    const parsed = parseFileName(name);
    return parsed === undefined ? [] : [{ ...parsed, path: `${folder}${sep}${name}` }];
  });
}

/** What is equal stays as it is given. */
function inOrder(files: readonly NamedFile[]): readonly NamedFile[] {
  return [...files].sort(
    (a, b) => a.from - b.from || a.next - b.next || (a.erased?.times ?? 0) - (b.erased?.times ?? 0),
  );
}
