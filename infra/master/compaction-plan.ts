import type { MasterFile } from "./master.ts";

/** When files are worth rewriting into one. */
export interface CompactionPolicy {
  /** Files that go into one, at least. */
  readonly leastFiles: number;
  /**
   * How much larger than the largest of them the new file is, at least; sizes are offsets covered, without those whose
   * records are gone. So no record is rewritten more often than the logarithm of `targetRecords` to this base says.
   */
  readonly growth: number;
  /** Offsets that a new file covers, at most, without those whose records are gone. */
  readonly targetRecords: number;
  /** What the files that go into one take together, at most. */
  readonly targetBytes: number;
}

const target = { targetRecords: 1_000_000, targetBytes: 256 * 1024 ** 2 } as const;

/** Beside archiving, where each batch of work must pay. */
export const automaticPolicy: CompactionPolicy = { leastFiles: 16, growth: 4, ...target };

/** By hand: as few files as there can be. */
export const thoroughPolicy: CompactionPolicy = { leastFiles: 2, growth: 1, ...target };

/** Files stay as they are. */
export const noCompaction: CompactionPolicy = { ...thoroughPolicy, leastFiles: Number.POSITIVE_INFINITY };

export interface Candidate<File extends MasterFile = MasterFile> {
  readonly file: File;
  readonly bytes: number;
  /** Only files of which this is equal may go into one. */
  readonly shape: string;
}

/** The groups of neighbours of one partition, in order, that are each to become one file. */
export function planCompaction<File extends MasterFile>(
  candidates: readonly Candidate<File>[],
  policy: CompactionPolicy,
): readonly (readonly File[])[] {
  const groups: (readonly File[])[] = [];
  for (let i = 0; i < candidates.length; ) {
    const count = groupFrom(candidates, i, policy);
    if (count > 0) groups.push(candidates.slice(i, i + count).map(({ file }) => file));
    i += Math.max(count, 1);
  }
  return groups;
}

/** How many files from `start` on become one; 0 if none do. */
function groupFrom(candidates: readonly Candidate[], start: number, policy: CompactionPolicy): number {
  const first = candidates[start];
  let [records, bytes, largest, count] = [0, 0, 0, 0];
  for (let i = start; i < candidates.length; i++) {
    const candidate = candidates[i];
    if (candidate === undefined || candidate.shape !== first?.shape) break;
    const size = sizeOf(candidate.file);
    records += size;
    bytes += candidate.bytes;
    if (records > policy.targetRecords || bytes > policy.targetBytes) break;
    largest = Math.max(largest, size);
    const length = i - start + 1;
    if (length >= policy.leastFiles && largest * policy.growth <= records) count = length;
  }
  return count;
}

export function sizeOf({ from, next, erased }: MasterFile): number {
  return next - from - (erased?.records ?? 0);
}
