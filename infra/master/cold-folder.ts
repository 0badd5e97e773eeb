import { randomUUID } from "node:crypto";
import { access, readdir, readFile, realpath, rm, rmdir } from "node:fs/promises";
import { join, sep } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import { createDurably, makeFolder, removeAsides, replaceDurably } from "../durable.ts";
import type { Topic } from "../log/log.ts";
import type { Place } from "./master.ts";

/** In the master dataset's folder: where its cold files are. */
const linkName = "cold.json";
/** In the cold folder: whose files these are. */
const markName = "tidemark-cold.json";

/** A second folder of a master dataset, for files that are seldom read. Named in the first, so that every process finds it. */
export interface ColdFolder {
  readonly folder: string;
  /** In both folders the same, so that none is taken for it that is not: another dataset's, or where a disk is not mounted. */
  readonly id: string;
  /** Where files are on their way to: one that is in both places is taken from there. */
  readonly towards: Place;
}

interface Mark {
  readonly id: string;
  /** The master dataset's folder. */
  readonly of: string;
}

/** The cold folder that the master dataset in `root` names. Whether it can be read is not looked at. */
export function coldFolderOf(root: string): Promise<ColdFolder | undefined> {
  return readSmall<ColdFolder>(join(root, linkName));
}

/** TIDEMARK_STORE_COLD_MISSING, or _FOREIGN, unless the folder is there and is what was named. */
export async function requireReachable({ folder, id }: ColdFolder): Promise<void> {
  const mark = await markIn(folder);
  if (mark === undefined) throw missing(folder);
  if (mark.id !== id) throw foreign(folder, mark.of);
}

/**
 * For the one who writes: removes what a crash left half written in the cold folder. TIDEMARK_STORE_COLD_FOREIGN if
 * that is another master dataset's, of which this one is a copy. One that can't be read is left alone: whoever lists is
 * told.
 */
export async function ownColdFolder(root: string, topics: readonly Topic[]): Promise<void> {
  const cold = await coldFolderOf(root);
  const mark = cold && (await markIn(cold.folder));
  if (cold === undefined || mark === undefined) return;
  if (mark.id !== cold.id || mark.of !== (await realpath(root))) throw foreign(cold.folder, mark.of);
  for (const { name, partitions } of topics) {
    for (let partition = 0; partition < partitions; partition++) {
      const folder = join(cold.folder, name, String(partition));
      if (await isThere(folder)) await removeAsides(folder);
    }
  }
}

/**
 * Gives a master dataset its cold folder, to which files go from now on; one that was moved, or copied with the master dataset, is
 * named again. TIDEMARK_STORE_COLD_FOREIGN for a folder that holds anything else.
 */
export async function linkColdFolder(root: string, folder: string): Promise<void> {
  await makeFolder(root);
  const of = await realpath(root);
  const known = await coldFolderOf(root);
  const mark = await markIn(folder);
  if (known === undefined) {
    await requireFree(of, folder, mark);
    // Of several that begin at once all take what the first has written.
    await createDurably(join(folder, markName), textOf({ id: randomUUID(), of }));
    const made = await markIn(folder);
    if (made === undefined) throw missing(folder);
    return writeSmall(join(root, linkName), { folder, id: made.id, towards: "cold" });
  }
  // What was named before may be on a disk that is not there now: whoever lists is told.
  if (mark === undefined && folder !== known.folder) throw elsewhere(folder, known.folder);
  if (mark !== undefined) await takeOver(of, { ...known, folder }, mark);
  if (folder === known.folder && known.towards === "cold") return;
  await writeSmall(join(root, linkName), { ...known, folder, towards: "cold" });
}

/** A master dataset that was moved goes on with its cold folder; a copy of one does not, unless that is a copy as well. */
async function takeOver(of: string, { folder, id }: ColdFolder, mark: Mark): Promise<void> {
  if (mark.id !== id) throw foreign(folder, mark.of);
  if (mark.of === of) return;
  if ((await coldFolderOf(mark.of))?.folder === folder) throw foreign(folder, mark.of);
  await writeSmall(join(folder, markName), { id, of });
}

/** From now on files come back from the cold folder, where there is one. */
export async function turnBack(root: string): Promise<void> {
  const cold = await coldFolderOf(root);
  if (cold?.towards === "cold") await writeSmall(join(root, linkName), { ...cold, towards: "hot" });
}

/** Lets go of the cold folder if there is nothing in it any more, which it says. */
export async function unlinkColdFolder(root: string): Promise<boolean> {
  const cold = await coldFolderOf(root);
  if (cold === undefined) return true;
  if (!(await removeEmptyFolders(cold.folder))) return false;
  await rm(join(root, linkName));
  await rm(join(cold.folder, markName), { force: true });
  return true;
}

/** Removes the folders of topics and partitions; false if a file is in any. */
async function removeEmptyFolders(folder: string, depth = 2): Promise<boolean> {
  let isEmpty = true;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (depth === 2 && entry.name === markName) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth > 0 && (await removeEmptyFolders(path, depth - 1))) await rmdir(path);
    else isEmpty = false;
  }
  return isEmpty;
}

/** A crash may have left the mark of this very master dataset, but no file: the link is written before any. */
async function requireFree(of: string, folder: string, mark: Mark | undefined): Promise<void> {
  await makeFolder(folder);
  if (`${await realpath(folder)}${sep}`.startsWith(`${of}${sep}`)) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `the cold folder ${folder} lies in the master dataset: name one on another disk`,
    );
  }
  if (mark !== undefined && mark.of !== of) throw foreign(folder, mark.of);
  const others = (await readdir(folder)).filter((name) => name !== markName && !name.startsWith("."));
  if (others.length === 0) return;
  throw new TidemarkError(
    "TIDEMARK_STORE_COLD_FOREIGN",
    `the folder ${folder} holds "${others[0]}", and files of ${of} are to go there: name an empty one, or one in it`,
  );
}

/** Undefined: there is none that can be read. */
function markIn(folder: string): Promise<Mark | undefined> {
  return readSmall<Mark>(join(folder, markName)).catch(() => undefined);
}

/** Undefined: there is none. */
async function readSmall<T>(path: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new TidemarkError("TIDEMARK_STORE_CORRUPT", `"${path}" is no JSON`, { cause });
  }
}

function writeSmall(path: string, value: ColdFolder | Mark): Promise<void> {
  return replaceDurably(path, textOf(value));
}

function textOf(value: ColdFolder | Mark): string {
  return `${JSON.stringify(value)}\n`;
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function missing(folder: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_STORE_COLD_MISSING",
    `the cold folder ${folder}, where old files of the master dataset are, can't be read: is its disk mounted? If it lies elsewhere now, say where: tidemark tier --cold FOLDER`,
  );
}

function foreign(folder: string, of: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_STORE_COLD_FOREIGN",
    `the cold folder ${folder} is that of the master dataset in ${of}: name a copy of it, or one that is empty; where that dataset was moved, tidemark tier --cold ${folder} names it anew`,
  );
}

function elsewhere(folder: string, known: string): TidemarkError {
  return new TidemarkError(
    "TIDEMARK_CONFIG",
    `cold files of the master dataset are in ${known}, and none are in ${folder}: name ${known}, or copy it to ${folder} first`,
  );
}
