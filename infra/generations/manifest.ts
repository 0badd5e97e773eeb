import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import type { Manifest } from "./generations.ts";

/** The manifest at the path; undefined if there is none. Throws TIDEMARK_STORE_CORRUPT for what is no manifest. */
export async function readManifest(path: string): Promise<Manifest | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const manifest = JSON.parse(text) as Manifest;
    const { id, view, fingerprint, createdAt } = manifest;
    for (const value of [id, view, fingerprint, createdAt]) {
      if (typeof value !== "string") throw new TypeError("id, view, fingerprint and createdAt must be texts");
    }
    for (const nexts of Object.values(manifest.cut)) nexts.forEach(offset);
    return manifest;
  } catch (cause) {
    throw new TidemarkError("TIDEMARK_STORE_CORRUPT", `"${path}" is no manifest of a generation`, { cause });
  }
}

/** Presented values may be whole numbers beyond 2^53; they are written as decimal text. */
export function formatManifest(manifest: Manifest): string {
  return JSON.stringify(manifest, (_, value) => (typeof value === "bigint" ? value.toString() : value), 2);
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Tells a file from the one that replaces it, without opening it; undefined if there is none. At once: to have another thread look
 * costs this one ten times what looking does, and pointers are looked at many times a second.
 */
export function fileMark(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.ino} ${found.mtimeNs} ${found.size}`;
}
