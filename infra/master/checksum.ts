import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { sync } from "../durable.ts";
import { checksumPath } from "./file-names.ts";

/** The SHA-256 of a file's bytes, in hexadecimal. */
export async function sha256Of(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const options = signal === undefined ? {} : { signal };
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash, options);
  return hash.digest("hex");
}

/**
 * Keeps a checksum beside `path`, where a file of the master dataset is about to be moved. The digest is part of the name, so
 * that a crash, or another writer of the same range, can leave none that is wrong of the file: one that matches is enough. The
 * text is what `sha256sum --check` reads. Durable once the folder is synced, as moving the file there does.
 */
export async function keepChecksum(digest: string, path: string): Promise<void> {
  const beside = checksumPath(path, digest);
  await writeFile(beside, `${digest}  ${basename(path)}\n`);
  await sync(beside);
}
