import type { MasterFile } from "./master.ts";

/**
 * The files of a partition that count, of all that are there, which are given in order. Files that cover one offset hold the same
 * record of it, so that each offset needs to be read from one alone: from the first file on, the abutting files that lead
 * furthest; of those that lead equally far, the largest. A file within what these cover is left out: a larger one took its place, or a stale writer added it
 * beside the one that took over from it. Whatever else is wrong with the files is left for others to see.
 */
export function leadingFiles(files: readonly MasterFile[]): readonly MasterFile[] {
  const best = new Map<number, { readonly file: MasterFile; readonly reach: number }>();
  for (const file of [...files].reverse()) {
    if (file.next <= file.from) continue;
    const reach = best.get(file.next)?.reach ?? file.next;
    if (reach > (best.get(file.from)?.reach ?? -1)) best.set(file.from, { file, reach });
  }
  const leading = new Set<MasterFile>();
  let covered = files[0]?.from ?? 0;
  for (let at = best.get(covered); at !== undefined; at = best.get(covered)) {
    leading.add(at.file);
    covered = at.file.next;
  }
  return files.filter((file) => leading.has(file) || file.next > covered || file.next <= file.from);
}
