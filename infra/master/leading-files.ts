import type { MasterFile } from "./master.ts";

interface Way {
  readonly file: MasterFile;
  /** How far the abutting files from this one on lead, and how often they were written again for an erasure. */
  readonly reach: number;
  readonly times: number;
}

/**
 * The files of a partition that count, of all that are there, which are given in order. Files that cover one offset
 * hold the same record of it, or it was erased from some of them, so that each offset needs to be read from one alone:
 * from the first file on, the abutting files that lead furthest; of those that lead equally far, those out of which
 * most was erased; of these the largest. A file within what these cover is left out: another took its place, or a stale
 * writer added it beside the one that took over from it. Whatever else is wrong with the files is left for others to
 * see.
 */
export function leadingFiles(files: readonly MasterFile[]): readonly MasterFile[] {
  const best = new Map<number, Way>();
  for (const file of [...files].reverse()) {
    if (file.next <= file.from) continue;
    const beyond = best.get(file.next);
    const way = {
      file,
      reach: beyond?.reach ?? file.next,
      times: (file.erased?.times ?? 0) + (beyond?.times ?? 0),
    };
    if (isBetter(way, best.get(file.from))) best.set(file.from, way);
  }
  const leading = new Set<MasterFile>();
  let covered = files[0]?.from ?? 0;
  for (let at = best.get(covered); at !== undefined; at = best.get(covered)) {
    leading.add(at.file);
    covered = at.file.next;
  }
  return files.filter((file) => leading.has(file) || file.next > covered || file.next <= file.from);
}

/** Of two that are equally good the one that was met first stays, which is the larger. */
function isBetter(way: Way, than: Way | undefined): boolean {
  if (than === undefined || way.reach !== than.reach) return way.reach > (than?.reach ?? -1);
  return way.times > than.times;
}
