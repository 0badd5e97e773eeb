import type { MasterFile } from "./master.ts";

/**
 * Leaves out what a stale writer added beside the one that took over from it. Two files that begin at one offset hold the same
 * records as far as both go: the one counts from which abutting files lead furthest. Takes the files of a partition in order,
 * and leaves whatever else is wrong with them for others to see.
 */
export function leadingFiles(files: readonly MasterFile[]): readonly MasterFile[] {
  const best = new Map<number, { readonly file: MasterFile; readonly reach: number }>();
  for (const file of [...files].reverse()) {
    const reach = best.get(file.next)?.reach ?? file.next;
    if (reach > (best.get(file.from)?.reach ?? -1)) best.set(file.from, { file, reach });
  }
  return files.filter((file) => best.get(file.from)?.file === file);
}
