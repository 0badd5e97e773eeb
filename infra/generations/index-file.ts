import { closeSync, openSync, readSync } from "node:fs";
import { type Database, open, type RootDatabase } from "lmdb";
import { TidemarkError } from "../../views/errors.ts";
import { readInteger, writeInteger } from "../../views/key.ts";
import { durableCommits } from "../lmdb.ts";

/**
 * The index of a generation: one LMDB file. `rows` holds blocks by storage key and block start, `drift` what was being
 * served instead, by storage key and pane. Written once, aside; read-only from then on.
 */
export interface IndexFile {
  readonly root: RootDatabase<Buffer, Uint8Array>;
  readonly rows: Database<Buffer, Uint8Array>;
  readonly drift: Database<Buffer, Uint8Array>;
}

/** LMDB takes keys of up to 1,978 bytes with pages of this size. */
const pageSize = 4096;

/** One that is there already, for "read" and "update": TIDEMARK_STORE_CORRUPT if it can't be read. */
export function openIndexFile(path: string, access: "write" | "update" | "read"): IndexFile {
  if (access === "write") return openFile(path, false);
  try {
    requireIndex(path);
    return openFile(path, access === "read");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TidemarkError("TIDEMARK_STORE_CORRUPT", `"${path}" can't be read: ${reason}`, { cause });
  }
}

/** Of LMDB's first page, where it stands there. */
const magic = { at: 24, bytes: Buffer.from("dec0efbe", "hex") } as const;

/** LMDB ends the process over a file that is none of its own. */
function requireIndex(path: string): void {
  const head = Buffer.alloc(magic.at + magic.bytes.length);
  const file = openSync(path, "r");
  try {
    readSync(file, head, 0, head.length, 0);
  } finally {
    closeSync(file);
  }
  if (!head.subarray(magic.at).equals(magic.bytes)) throw new Error("it is no file of LMDB");
}

function openFile(path: string, readOnly: boolean): IndexFile {
  const binary = { keyEncoding: "binary", encoding: "binary" } as const;
  const root = open<Buffer, Uint8Array>({
    path,
    ...binary,
    noSubdir: true,
    readOnly,
    maxDbs: 2,
    pageSize,
    ...durableCommits,
    // A draft's file is synced when it is whole, before anyone reads it.
    noSync: true,
  });
  return {
    root,
    rows: root.openDB<Buffer, Uint8Array>({ name: "rows", ...binary }),
    drift: root.openDB<Buffer, Uint8Array>({ name: "drift", ...binary }),
  };
}

/** A storage key with a number behind, in which the number can be replaced. */
export class NumberedKey {
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor(key: Uint8Array) {
    this.bytes = Buffer.allocUnsafe(key.length + 8);
    this.bytes.set(key);
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset);
  }

  at(value: number): Buffer {
    writeInteger(this.#view, this.bytes.length - 8, value);
    return this.bytes;
  }
}

export function numberOf(key: Uint8Array): number {
  return readInteger(new DataView(key.buffer, key.byteOffset, key.byteLength), key.length - 8);
}
