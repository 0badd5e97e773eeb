import { rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Cut, type Offset, offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { asidePath, copyDurably, copyTo, makeFolder, moveDurably, removeAsides } from "../durable.ts";
import type { Topic } from "../log/log.ts";
import { keepChecksum, sha256Of } from "./checksum.ts";
import { coldFolderOf, ownColdFolder } from "./cold-folder.ts";
import { type FileName, nothingErased, recordsFileName } from "./file-names.ts";
import { leadingFiles } from "./leading-files.ts";
import { isBeside, listFiles, type NamedFile, partitionFolder } from "./list-files.ts";
import type { Erased, Master, MasterFile } from "./master.ts";

/** A file that no reader takes who lists now. */
export interface ReplacedFile {
  readonly path: string;
  readonly kind: FileName["kind"];
  /** Those that are taken in its place. */
  readonly by: readonly MasterFile[];
}

/** A file that is taken, with what its bytes may hash to, in hexadecimal; nothing of one that has no checksum. */
export interface ChecksummedFile extends MasterFile {
  readonly sha256: readonly string[];
}

/**
 * The master dataset in a folder: `<root>/<topic>/<partition>/<from>-<next>.parquet`, offsets of 16 digits; and in its
 * cold folder, where it has one. What is there is found by listing, each time: another process may be the one that
 * adds. See `docs/master-dataset.md`.
 */
export class MasterFolder implements Master {
  readonly #root: string;
  readonly #topics: readonly Topic[];

  private constructor(root: string, topics: readonly Topic[]) {
    this.#root = root;
    this.#topics = topics;
  }

  /** For whoever only reads. Nothing needs to be there yet. */
  static read(root: string, topics: readonly Topic[]): MasterFolder {
    return new MasterFolder(root, topics);
  }

  /** For the one process that adds files: makes the folders and removes what a crash left half written. */
  static async own(root: string, topics: readonly Topic[]): Promise<MasterFolder> {
    const master = new MasterFolder(root, topics);
    await makeFolder(root);
    await ownColdFolder(root, topics);
    for (const { name, partitions } of topics) {
      for (let partition = 0; partition < partitions; partition++) {
        const folder = partitionFolder(root, name, partition);
        await makeFolder(folder);
        await removeAsides(folder);
      }
    }
    return master;
  }

  async files(topic: string): Promise<readonly MasterFile[]> {
    const partitions = this.#topics.find(({ name }) => name === topic)?.partitions ?? 0;
    const files: MasterFile[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      files.push(...(await this.#list(topic, partition)));
    }
    return files;
  }

  async cut(): Promise<Cut> {
    const cut: Record<string, readonly Offset[]> = {};
    for (const { name, partitions } of this.#topics) {
      const nexts: Offset[] = [];
      for (let partition = 0; partition < partitions; partition++) {
        nexts.push(nextOf(await this.#list(name, partition)));
      }
      cut[name] = nexts;
    }
    return cut;
  }

  async add(range: Omit<MasterFile, "path">, write: (path: string) => Promise<void>): Promise<MasterFile> {
    const { topic, partition, from, next } = range;
    const path = join(partitionFolder(this.#root, topic, partition), recordsFileName(from, next));
    const file = { topic, partition, from, next, path };
    const requireItsTurn = async () => requireRange(file, nextOf(await this.#list(topic, partition)));
    await this.#place(file, requireItsTurn, write);
    return file;
  }

  /**
   * Puts one file in the place of several that follow each other, all of them hot or all cold, where they are; these
   * stay until they are removed. `write` is given a path aside and the one that the file will have, and leaves out what
   * `more` says. TIDEMARK_STORE_OVERLAP if they are not what readers take there.
   */
  async replace(
    files: readonly MasterFile[],
    write: (aside: string, path: string) => Promise<void>,
    more: Erased = nothingErased,
  ): Promise<MasterFile> {
    const [first, last] = [files[0], files.at(-1)];
    if (first === undefined || last === undefined) throw new Error("there is nothing to replace");
    const { topic, partition, from } = first;
    const { next } = last;
    const erased = sumOf([...files.map((file) => file.erased ?? nothingErased), more]);
    const path = join(dirname(first.path), recordsFileName(from, next, erased));
    const { isCold } = first;
    const file = {
      topic,
      partition,
      from,
      next,
      ...(erased.times > 0 && { erased }),
      ...(isCold && { isCold }),
      path,
    };
    const requireThere = async () => {
      const within = (await this.#list(topic, partition)).filter(
        (each) => each.from < next && each.next > from,
      );
      if (within.length === files.length && within.every((each, i) => each.path === files[i]?.path)) return;
      throw new TidemarkError(
        "TIDEMARK_STORE_OVERLAP",
        `"${path}" can't take the place of ${files.length} files: others hold these offsets by now`,
      );
    };
    await this.#place(file, requireThere, (aside) => write(aside, path));
    return file;
  }

  /**
   * Copies a file, and what stands beside it, to where files are on their way to; it is taken from there then, and the
   * one here stays until it is removed. Gives whether there is a place where it is not yet. TIDEMARK_STORE_CORRUPT
   * where it, or the copy, is not what was written.
   */
  async move(file: ChecksummedFile, signal: AbortSignal): Promise<boolean> {
    const { topic, partition, path: from } = file;
    const cold = await coldFolderOf(this.#root);
    const root = cold?.towards === "cold" ? cold.folder : this.#root;
    const path = join(partitionFolder(root, topic, partition), basename(from));
    if (path === from) return false;
    const requireThere = async () => {
      if ((await this.#list(topic, partition)).some((each) => each.path === from)) return;
      const problem = `"${from}" can't be moved to "${path}": others hold these offsets by now`;
      throw new TidemarkError("TIDEMARK_STORE_OVERLAP", problem);
    };
    const sha256 = file.sha256.length > 0 ? file.sha256 : [await sha256Of(from, signal)];
    const write = async (aside: string) => {
      for (const each of await this.#named(topic, partition)) {
        if (each.kind !== "early" || !isBeside(file, each)) continue;
        await copyDurably(each.path, join(dirname(path), basename(each.path)), signal);
      }
      await copyTo(from, aside, signal);
    };
    await makeFolder(dirname(path));
    await this.#place({ ...file, path }, requireThere, write, sha256);
    return true;
  }

  /** What lies in the folders and is not taken, since what is taken covers it. */
  async replaced(topic: string, partition: number): Promise<readonly ReplacedFile[]> {
    const named = await this.#named(topic, partition);
    const taken = leading(topic, partition, named);
    const end = nextOf(taken);
    return named.flatMap((each): readonly ReplacedFile[] => {
      const { path, kind, from, next } = each;
      if (next > end || taken.some((file) => isBeside(file, each))) return [];
      return [{ path, kind, by: taken.filter((file) => file.from < next && file.next > from) }];
    });
  }

  /** The files that are taken, with their checksums. */
  async checksummed(topic: string, partition: number): Promise<readonly ChecksummedFile[]> {
    const named = await this.#named(topic, partition);
    return leading(topic, partition, named).map((file) => ({
      ...file,
      sha256: named.flatMap((each) =>
        each.sha256 !== undefined && isBeside(file, each) ? [each.sha256] : [],
      ),
    }));
  }

  async #place(
    { path }: MasterFile,
    requireRight: () => Promise<void>,
    write: (aside: string) => Promise<void>,
    expected?: readonly string[],
  ): Promise<void> {
    await requireRight();
    const aside = asidePath(path);
    try {
      await write(aside);
      const digest = await sha256Of(aside);
      if (expected?.includes(digest) === false) {
        const problem = `what was to become "${path}" has the SHA-256 ${digest}, not ${expected.join(" or ")} of the file that it is a copy of, which is damaged, or was copied wrongly`;
        throw new TidemarkError("TIDEMARK_STORE_CORRUPT", problem);
      }
      // Writing takes a while: what was right at its start must still be so.
      await requireRight();
      await keepChecksum(digest, path);
      await moveDurably(aside, path);
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
  }

  #named(topic: string, partition: number): Promise<readonly NamedFile[]> {
    return listFiles(this.#root, topic, partition);
  }

  async #list(topic: string, partition: number): Promise<readonly MasterFile[]> {
    return leading(topic, partition, await this.#named(topic, partition));
  }
}

/** Files that abut from offset 0 on; TIDEMARK_STORE_GAP/_OVERLAP if there are others. */
function leading(topic: string, partition: number, named: readonly NamedFile[]): readonly MasterFile[] {
  const found = named.flatMap(({ kind, from, next, erased, isCold, path }): readonly MasterFile[] =>
    kind === "records"
      ? [{ topic, partition, from, next, ...(erased && { erased }), ...(isCold && { isCold }), path }]
      : [],
  );
  const files: MasterFile[] = [];
  for (const file of leadingFiles(found)) {
    requireRange(file, nextOf(files), files.at(-1));
    files.push(file);
  }
  return files;
}

function sumOf(parts: readonly Erased[]): Erased {
  return parts.reduce(
    (sum, { times, records }) => ({ times: sum.times + times, records: sum.records + records }),
    nothingErased,
  );
}

function nextOf(files: readonly MasterFile[]): Offset {
  return files.at(-1)?.next ?? offset(0);
}

/** A file must begin where the one before it ends, and hold something. */
function requireRange(file: MasterFile, expected: Offset, before?: MasterFile): void {
  const after = before === undefined ? `offset ${expected}` : `"${before.path}"`;
  if (file.next <= file.from) {
    throw new TidemarkError(
      "TIDEMARK_STORE_CORRUPT",
      `"${file.path}" covers no offsets: ${file.from} to ${file.next}`,
    );
  }
  if (file.from > expected) {
    throw new TidemarkError(
      "TIDEMARK_STORE_GAP",
      `the master dataset lacks offsets ${expected} to ${file.from} of partition ${file.partition} of ${file.topic}: "${file.path}" comes after ${after}`,
    );
  }
  if (file.from < expected) {
    throw new TidemarkError(
      "TIDEMARK_STORE_OVERLAP",
      `the master dataset has offsets ${file.from} to ${Math.min(expected, file.next)} of partition ${file.partition} of ${file.topic} twice: in "${file.path}" and before ${after === `offset ${expected}` ? after : `the end of ${after}`}`,
    );
  }
}
