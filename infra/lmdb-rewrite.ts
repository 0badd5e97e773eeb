import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Database, open } from "lmdb";
import { asidePath, moveDurably, removeAsides, sync } from "./durable.ts";
import { durableCommits } from "./lmdb.ts";

const raw = { encoding: "binary", keyEncoding: "binary" } as const;
const dataFile = "data.mdb";
/** What is on its way to the new file at once, at most: in entries, and in bytes. */
const inFlight = { entries: 1_000, bytes: 16 * 1024 ** 2 };

/**
 * Writes the file of an LMDB folder anew, entry by entry. LMDB keeps what was removed in the free pages of its
 * file, and in the free parts of those in use, which its own copying may take along; of the new file every byte
 * is of an entry that is there. Only while nobody has the folder open. `named`: whether its entries are in
 * named databases, all of them, or in none.
 */
export async function rewriteLmdb(folder: string, { named }: { readonly named: boolean }): Promise<void> {
  const path = join(folder, dataFile);
  if (!existsSync(path)) return;
  await removeAsides(folder);
  const aside = asidePath(join(folder, "store"));
  await mkdir(aside);
  await copyEntries(folder, aside, named);
  await moveDurably(join(aside, dataFile), path);
  // Which readers there are: none.
  await rm(join(folder, "lock.mdb"), { force: true });
  await rm(aside, { recursive: true, force: true });
  await sync(folder);
}

async function copyEntries(from: string, to: string, named: boolean): Promise<void> {
  const options = { noSubdir: false, maxDbs: 16_384, ...durableCommits, ...raw };
  const source = open<Buffer, Buffer>({ ...options, path: from, readOnly: true });
  const target = open<Buffer, Buffer>({ ...options, path: to, noMemInit: false });
  try {
    if (!named) return await copyDatabase(source, target);
    const names = [...source.getKeys()].map((name) => name.toString().replace(/\0$/, ""));
    for (const name of names) {
      await copyDatabase(
        source.openDB<Buffer, Buffer>({ name, ...raw }),
        target.openDB<Buffer, Buffer>({ name, ...raw }),
      );
    }
  } finally {
    await source.close();
    await target.close();
  }
}

async function copyDatabase(
  source: Database<Buffer, Buffer>,
  target: Database<Buffer, Buffer>,
): Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  let [entries, bytes] = [0, 0];
  for (const { key, value } of source.getRange({})) {
    last = target.put(key, value);
    entries++;
    bytes += value.length;
    if (entries < inFlight.entries && bytes < inFlight.bytes) continue;
    await last;
    [entries, bytes] = [0, 0];
  }
  await last;
}
