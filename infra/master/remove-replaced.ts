import { rm } from "node:fs/promises";
import { TidemarkError } from "../../views/errors.ts";
import { sha256Of } from "./checksum.ts";
import type { ChecksummedFile, MasterFolder, ReplacedFile } from "./folder.ts";

/**
 * Removes, of what was replaced, only what is covered by files that are still what was written. Gives how many files of
 * records are gone.
 */
export async function removeReplaced(
  master: Pick<MasterFolder, "checksummed">,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  due: readonly ReplacedFile[],
  signal: AbortSignal,
): Promise<number> {
  if (due.length === 0) return 0;
  const sound = new Set<string>();
  const covering = new Set(due.flatMap(({ by }) => by.map(({ path }) => path)));
  for (const file of await master.checksummed(topic, partition)) {
    if (!covering.has(file.path) || file.sha256.length === 0) continue;
    await requireSound(file, signal);
    sound.add(file.path);
  }
  let removed = 0;
  for (const { path, kind, by } of due) {
    signal.throwIfAborted();
    if (!by.every((file) => sound.has(file.path))) continue;
    await rm(path, { force: true });
    if (kind === "records") removed++;
  }
  return removed;
}

/** Files that were written without a checksum are taken as they are. */
export async function requireSound({ path, sha256 }: ChecksummedFile, signal: AbortSignal): Promise<void> {
  if (sha256.length === 0 || sha256.includes(await sha256Of(path, signal))) return;
  throw new TidemarkError(
    "TIDEMARK_STORE_CORRUPT",
    `"${path}" is not what was written any more: its SHA-256 is not the one that is kept beside it; it is not written anew, and no file that it came of is removed: where there are any, they count again once it is moved away`,
  );
}
