import { randomUUID } from "node:crypto";
import { close, open, read } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import { createDurably, isAsideOf, makeFolder, replaceDurably, sync } from "../durable.ts";
import { readIfThere } from "../generations/manifest.ts";

/** What there is of subjects and of keys, a folder each. */
export type KeyFolder = "subjects" | "keys" | "retired" | "bounds" | "next" | "destroyed";

/**
 * Small files `<root>/<folder>/<two digits>/<name>`, whose names are hexadecimal, in a folder that many processes
 * share. Each read opens the file by its name, so that a file system that many machines share says what is there now.
 */
export class KeyFiles {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** By which a master key is known. */
  readMark(): Promise<string | undefined> {
    return readIfThere(this.#mark);
  }

  /** The first one stays. */
  async makeMark(mark: string): Promise<void> {
    await makeFolder(this.root);
    await createDurably(this.#mark, mark);
  }

  /** Another one each time that keys were retired; undefined as long as none was. */
  readEpoch(): Promise<string | undefined> {
    return readSmall(this.#epoch);
  }

  async beginEpoch(): Promise<void> {
    await replaceDurably(this.#epoch, randomUUID());
  }

  read(folder: KeyFolder, name: string): Promise<string | undefined> {
    return readSmall(this.#path(folder, name));
  }

  isThere(folder: KeyFolder, name: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      open(this.#path(folder, name), "r", (error, file) => {
        if (error === null) close(file, () => resolve(true));
        else if (isMissing(error)) resolve(false);
        else reject(error);
      });
    });
  }

  /** Of several that make a file of one name, one does. */
  create(folder: KeyFolder, name: string, text: string): Promise<boolean> {
    return this.#within(folder, name, (path) => createDurably(path, text));
  }

  replace(folder: KeyFolder, name: string, text: string): Promise<void> {
    return this.#within(folder, name, (path) => replaceDurably(path, text));
  }

  /** In one step; nothing if it is not there any more. */
  async move(from: KeyFolder, to: KeyFolder, name: string): Promise<void> {
    const path = this.#path(from, name);
    await this.#within(to, name, async (moved) => {
      await rename(path, moved).catch(async (error: unknown) => {
        if (!isMissing(error) || (await readIfThere(path)) !== undefined) throw error;
      });
      await sync(dirname(moved));
    });
    await sync(dirname(path));
  }

  /** With what a writer that died left of it. Says whether it was there. */
  async remove(folder: KeyFolder, name: string): Promise<boolean> {
    const path = this.#path(folder, name);
    const names = await readdir(dirname(path)).catch((error: unknown) => {
      if (isMissing(error)) return [];
      throw error;
    });
    const own = names.filter((each) => each === name || isAsideOf(each, name));
    for (const each of own) await rm(join(dirname(path), each), { force: true });
    if (own.length > 0) await sync(dirname(path));
    return own.includes(name);
  }

  /** What is there is durable from then on. */
  sync(folder: KeyFolder, name: string): Promise<void> {
    return sync(dirname(this.#path(folder, name)));
  }

  async #within<T>(folder: KeyFolder, name: string, write: (path: string) => Promise<T>): Promise<T> {
    const path = this.#path(folder, name);
    try {
      return await write(path).catch(async (error: unknown) => {
        if (!isMissing(error)) throw error;
        await makeFolder(dirname(path));
        return write(path);
      });
    } catch (cause) {
      throw new TidemarkError(
        "TIDEMARK_INGEST_DISK",
        `the subjects' keys in ${this.root} could not be written: is the disk full?`,
        { cause },
      );
    }
  }

  get #mark(): string {
    return join(this.root, "master");
  }

  get #epoch(): string {
    return join(this.root, "epoch");
  }

  #path(folder: KeyFolder, name: string): string {
    return join(this.root, folder, name.slice(0, 2), basename(name));
  }
}

/** Most are, and there is one for each subject in a batch: a third of what `readFile` takes. */
const smallBytes = 1_024;

function readSmall(path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    open(path, "r", (error, file) => {
      if (error !== null) return isMissing(error) ? resolve(undefined) : reject(error);
      read(file, Buffer.allocUnsafe(smallBytes), 0, smallBytes, 0, (failure, length, bytes) => {
        close(file, () => undefined);
        if (failure !== null) reject(failure);
        else resolve(length < smallBytes ? bytes.toString("utf8", 0, length) : readIfThere(path));
      });
    });
  });
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
