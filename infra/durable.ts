import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { access, link, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";

/**
 * Whole or not at all, after any crash: what is written goes aside first, is synced, and is then renamed. A rename is
 * durable once the folder it happened in is synced.
 */

const asidePrefix = ".aside-";
/** Writers of several machines share folders, and process ids. */
const writer = randomUUID().slice(0, 8);
let asides = 0;

/** A new name beside `path` that no reader looks at. The file's ending stays, since some writers go by it. */
export function asidePath(path: string): string {
  return join(dirname(path), `${asidePrefix}${writer}-${++asides}-${basename(path)}`);
}

/** Whether it is a name beside that file, by whichever writer. */
export function isAsideOf(name: string, file: string): boolean {
  return name.startsWith(asidePrefix) && name.endsWith(`-${file}`);
}

/** Removes what writers that died left in the folder. Only for the one who writes there, before it writes. */
export async function removeAsides(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(asidePrefix)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Syncs one file, or a folder's list of names. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a folder, its parents too, so that it is still there after a crash. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await sync(dirname(made));
}

/**
 * Moves a file, or a folder of files, that was written aside to its name; visible and durable in one step. Of a folder's
 * files those that are `durable` already by another name are not synced again.
 */
export async function moveDurably(
  aside: string,
  path: string,
  durable: ReadonlySet<string> = new Set(),
): Promise<void> {
  await syncTree(aside, durable);
  await rename(aside, path);
  await sync(dirname(path));
}

/** Copies a file's bytes, onto another disk too; they are there after a crash. */
export async function copyTo(from: string, path: string, signal: AbortSignal): Promise<void> {
  await pipeline(createReadStream(from, { highWaterMark: 2 ** 20 }), createWriteStream(path), { signal });
  await sync(path);
}

/** The same; visible in one step. */
export async function copyDurably(from: string, path: string, signal: AbortSignal): Promise<void> {
  const aside = asidePath(path);
  try {
    await copyTo(from, aside, signal);
    await moveDurably(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
}

async function syncTree(path: string, durable: ReadonlySet<string>): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOTDIR") return [];
    throw error;
  });
  const written = entries.filter(({ name }) => !durable.has(name));
  await Promise.all([sync(path), ...written.map(({ name }) => syncTree(join(path, name), durable))]);
}

/** Replaces a small file in one step. */
export async function replaceDurably(path: string, text: string): Promise<void> {
  const aside = asidePath(path);
  await writeFile(aside, text);
  await moveDurably(aside, path);
}

/** What file systems say that have no hard links, or no more of this file. */
const unlinkable: readonly string[] = ["EPERM", "EXDEV", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

export function isUnlinkable(error: unknown): boolean {
  return unlinkable.includes((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * Makes a small file in one step, unless there is one of that name: of several writers, on whatever
 * machines, one is told true. On a file system without hard links two that write within the same millisecond
 * may both be; the later one's then stays.
 */
export async function createDurably(path: string, text: string): Promise<boolean> {
  const aside = asidePath(path);
  await writeFile(aside, text);
  try {
    await sync(aside);
    await link(aside, path).catch(async (error: unknown) => {
      if (!isUnlinkable(error)) throw error;
      if (await isThere(path)) throw Object.assign(new Error(`"${path}" is there`), { code: "EEXIST" });
      await rename(aside, path);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
  await sync(dirname(path));
  return true;
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
