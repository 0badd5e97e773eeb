import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../views/errors.ts";
import { makeFolder, replaceDurably } from "../durable.ts";
import { readIfThere } from "../generations/manifest.ts";
import type { AskErasure, Erasure, Found, PendingErasure } from "./erasures.ts";

const namePattern = /^(e-\d{14}-[0-9a-f]{6})\.json$/;
const asidePattern = /^\.aside-/;

type Done = Omit<Erasure, "state">;
type Stored =
  | { readonly pending: PendingErasure; readonly done?: never }
  | { readonly done: Done; readonly pending?: never };

export interface ErasuresFolderOptions {
  readonly root: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Six hexadecimal digits. */
  readonly newMark: () => string;
}

/**
 * Erasures in a folder, a small file each: `<root>/<id>.json`. Each is written aside and renamed, so that a crash
 * leaves the former one or the new one. Once an erasure is done its file no longer says whose it was.
 */
export class ErasuresFolder {
  readonly #options: ErasuresFolderOptions;

  constructor(options: ErasuresFolderOptions) {
    this.#options = options;
  }

  /** Durable when it resolves: from then on it will be done, by whichever run comes next. */
  async ask(asked: AskErasure): Promise<Erasure> {
    const askedAt = this.#now();
    const id = `e-${askedAt.slice(0, 19).replace(/\D/g, "")}-${this.#options.newMark()}`;
    await makeFolder(this.#options.root);
    const pending: PendingErasure = { id, ...asked, askedAt };
    await this.#write(id, { pending });
    return asErasure({ pending });
  }

  /** In the order in which they were asked for. */
  async pending(): Promise<readonly PendingErasure[]> {
    return (await this.#all()).flatMap((stored) => (stored.done === undefined ? [stored.pending] : []));
  }

  /** Newest first. */
  async list(): Promise<readonly Erasure[]> {
    return (await this.#all()).map(asErasure).reverse();
  }

  async get(id: string): Promise<Erasure | undefined> {
    return (await this.list()).find((erasure) => erasure.id === id);
  }

  /** Keeps what was counted, so that what is done again after a crash does not count less. */
  async found(pending: PendingErasure, found: Found): Promise<void> {
    await this.#write(pending.id, { pending: { ...pending, found } });
  }

  /**
   * From here on nothing tells whose they were. `leavesPages`: the files of stores have free pages from before now. Of
   * a type's facts that were too old only the latest erasure is kept.
   */
  async done(
    pending: PendingErasure & { readonly found: Found },
    generations: Readonly<Record<string, string>>,
    leavesPages: boolean,
  ): Promise<void> {
    const { id, type, askedAt, found } = pending;
    const before = pending.before ?? null;
    const doneAt = this.#now();
    const compactedAt = leavesPages ? null : doneAt;
    await this.#write(id, {
      done: { id, type, before, askedAt, doneAt, ...found, generations, compactedAt },
    });
    if (before === null) return;
    for (const { done } of await this.#all()) {
      const isFormer = done !== undefined && done.before !== null && done.type === type && done.id !== id;
      if (isFormer) await rm(this.#path(done.id));
    }
  }

  /** Whether files still have free pages from before an erasure that is done. */
  async needsCompaction(): Promise<boolean> {
    return (await this.#all()).some(({ done }) => done?.compactedAt === null);
  }

  /** To be called by who owns the data folder, once the files of all stores are written anew. */
  async compacted(): Promise<void> {
    const compactedAt = this.#now();
    for (const { done } of await this.#all()) {
      if (done?.compactedAt === null) await this.#write(done.id, { done: { ...done, compactedAt } });
    }
    for (const name of await this.#names()) {
      if (asidePattern.test(name)) await rm(join(this.#options.root, name), { force: true });
    }
  }

  async #all(): Promise<readonly Stored[]> {
    const all: Stored[] = [];
    for (const name of [...(await this.#names())].sort()) {
      if (!namePattern.test(name)) continue;
      const path = join(this.#options.root, name);
      const text = await readIfThere(path);
      if (text !== undefined) all.push(parse(path, text));
    }
    return all;
  }

  #names(): Promise<readonly string[]> {
    return readdir(this.#options.root).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
  }

  #write(id: string, stored: Stored): Promise<void> {
    return replaceDurably(this.#path(id), `${JSON.stringify(stored)}\n`);
  }

  #path(id: string): string {
    return join(this.#options.root, `${id}.json`);
  }

  #now(): string {
    return new Date(this.#options.clock()).toISOString();
  }
}

/** What stands in the file is not shown: it may name the subject. */
function parse(path: string, text: string): Stored {
  try {
    const stored = JSON.parse(text) as Stored;
    // Former versions knew no others than those under a key.
    if (typeof stored.done?.id === "string")
      return { done: { ...stored.done, before: stored.done.before ?? null } };
    if (typeof stored.pending?.id === "string") return stored;
  } catch {
    // Told below, without the text.
  }
  throw new TidemarkError("TIDEMARK_STORE_CORRUPT", `"${path}" is no record of an erasure`);
}

function asErasure(stored: Stored): Erasure {
  if (stored.done !== undefined) return { ...stored.done, state: "done" };
  const { id, type, before = null, askedAt } = stored.pending;
  return {
    ...{ id, state: "pending", type, before, askedAt, doneAt: null, records: null, deadLetters: null },
    ...{ files: null, generations: null, compactedAt: null },
  };
}
