import { join } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import type { Fingerprint } from "../../views/view.ts";
import { makeFolder, replaceDurably } from "../durable.ts";
import { readIfThere } from "../generations/manifest.ts";
import { folderOf } from "./version-pointer.ts";

/** What the last batch run found of a version that is to be flipped to by policy. */
export interface FlipVerdict {
  readonly version: number;
  readonly fingerprint: Fingerprint;
  /** Runs without drift until then, one after the other. */
  readonly cleanRuns: number;
  /** Up to where the last of all was, as text; a run up to no later cut proves nothing new. */
  readonly cut: string;
  /** Why it was not flipped to; null: it was. */
  readonly held: string | null;
}

/** A small file of the family, `policy.json`, written after each run. Throws TIDEMARK_STORE_CORRUPT. */
export async function readFlipVerdicts(root: string, family: string): Promise<readonly FlipVerdict[]> {
  const path = pathOf(root, family);
  const text = await readIfThere(path);
  if (text === undefined) return [];
  try {
    const { verdicts } = JSON.parse(text) as { readonly verdicts: readonly FlipVerdict[] };
    return verdicts.map((verdict) => ({ ...verdict }));
  } catch (cause) {
    throw new TidemarkError(
      "TIDEMARK_STORE_CORRUPT",
      `"${path}" does not say what flips wait for: remove it, and runs are counted from the next one on`,
      { cause },
    );
  }
}

export async function writeFlipVerdicts(
  root: string,
  family: string,
  verdicts: readonly FlipVerdict[],
): Promise<void> {
  await makeFolder(folderOf(root, family));
  await replaceDurably(pathOf(root, family), `${JSON.stringify({ verdicts })}\n`);
}

function pathOf(root: string, family: string): string {
  return join(folderOf(root, family), "policy.json");
}
