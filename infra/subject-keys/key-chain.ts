import type { KeyFiles } from "./key-files.ts";

/**
 * A link of a subject's chain of keys: the name of the next one. Without it the chain is closed: nobody puts a key
 * there any more.
 */
export interface Link {
  readonly present?: string;
  /** One that is being destroyed. */
  readonly former?: string;
}

/** A subject's keys in their order. */
export interface KeyChain {
  readonly ids: readonly string[];
  /** The file of the last one if it is present; no other can be. */
  readonly present: string | undefined;
}

/**
 * The chain that begins at `subjects/<index>` and goes on, behind each retired key, at `next/<id>`. Without any key if
 * the subject has none; undefined while its beginning is being changed.
 */
export async function readChain(files: KeyFiles, index: string): Promise<KeyChain | undefined> {
  const first = await files.read("subjects", index);
  // What was found behind the first key is of this subject only if that was the first one all the while.
  const isStill = async () => (await files.read("subjects", index)) === first;
  const ids: string[] = [];
  for (let link = first; link !== undefined; ) {
    const { present: id } = asLink(link);
    if (id === undefined) return undefined;
    ids.push(id);
    const present = await files.read("keys", id);
    if (present !== undefined) return ids.length === 1 || (await isStill()) ? { ids, present } : undefined;
    link = await files.read("next", id);
  }
  return ids.length === 0 || (await isStill()) ? { ids, present: undefined } : undefined;
}

export function asLink(text: string): Link {
  return JSON.parse(text) as Link;
}

export function formatLink(link: Link): string {
  return JSON.stringify(link);
}
