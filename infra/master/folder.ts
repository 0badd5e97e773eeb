import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Cut, type Offset, offset } from "../../views/cut.ts";
import { TidemarkError } from "../../views/errors.ts";
import { asidePath, makeFolder, moveDurably, removeAsides } from "../durable.ts";
import type { Topic } from "../log/log.ts";
import { leadingFiles } from "./leading-files.ts";
import type { Master, MasterFile } from "./master.ts";

const namePattern = /^(\d{16})-(\d{16})\.parquet$/;

/**
 * The master dataset in a folder: `<root>/<topic>/<partition>/<from>-<next>.parquet`, offsets of 16 digits. What is
 * there is found by listing, each time: another process may be the one that adds.
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
    for (const { name, partitions } of topics) {
      for (let partition = 0; partition < partitions; partition++) {
        await makeFolder(master.#folder(name, partition));
        await removeAsides(master.#folder(name, partition));
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
    const folder = this.#folder(topic, partition);
    const file = { topic, partition, from, next, path: join(folder, fileName(from, next)) };
    requireRange(file, nextOf(await this.#list(topic, partition)));
    const aside = asidePath(file.path);
    try {
      await write(aside);
      // Writing takes a while: what abutted at its start must still do so.
      requireRange(file, nextOf(await this.#list(topic, partition)));
      await moveDurably(aside, file.path);
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    }
    return file;
  }

  #folder(topic: string, partition: number): string {
    return join(this.#root, topic, String(partition));
  }

  async #list(topic: string, partition: number): Promise<readonly MasterFile[]> {
    const folder = this.#folder(topic, partition);
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    const found = names.sort().flatMap((name): readonly MasterFile[] => {
      const match = namePattern.exec(name);
      if (match === null) return [];
      const [from, next] = [offset(Number(match[1])), offset(Number(match[2]))];
      return [{ topic, partition, from, next, path: join(folder, name) }];
    });
    const files: MasterFile[] = [];
    for (const file of leadingFiles(found)) {
      requireRange(file, nextOf(files), files.at(-1));
      files.push(file);
    }
    return files;
  }
}

function fileName(from: Offset, next: Offset): string {
  const digits = (value: Offset) => String(value).padStart(16, "0");
  return `${digits(from)}-${digits(next)}.parquet`;
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
