import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { type Case, jsonOf } from "./case.ts";
import type { Failure } from "./fuzz.ts";

/**
 * Cases that failed once, smallest form, as `test/parity/repros/<hash of the text>.json`. `index.json` lists them, so that
 * one that is lost, changed or added by the way is noticed.
 */
export const reproFolder = new URL("../repros/", import.meta.url);

const indexName = "index.json";

/** Writes the case down and lists it; gives the file's name. */
export async function writeRepro({ case: c, message }: Failure, folder = reproFolder): Promise<string> {
  const text = `${jsonOf({ message, case: c })}\n`;
  const name = nameOf(text);
  await writeFile(new URL(name, folder), text);
  const names = new Set([...(await readIndex(folder)), name]);
  await writeFile(new URL(indexName, folder), `${JSON.stringify([...names].sort(), null, 2)}\n`);
  return name;
}

/** All repros; throws if the folder does not hold exactly what the index lists, as it was written. */
export async function readRepros(folder = reproFolder): Promise<readonly (Failure & { name: string })[]> {
  const listed = await readIndex(folder);
  const there = (await readdir(folder)).filter((name) => name !== indexName);
  for (const name of listed) if (!there.includes(name)) throw new Error(`repro ${name} is missing`);
  for (const name of there)
    if (!listed.includes(name)) throw new Error(`repro ${name} is not in ${indexName}`);
  return Promise.all(
    listed.map(async (name) => {
      const text = await readFile(new URL(name, folder), "utf8");
      if (nameOf(text) !== name)
        throw new Error(`repro ${name} is not what was written: its text has changed`);
      const { message, case: c } = JSON.parse(text) as { message: string; case: Case };
      return { name, message, case: c };
    }),
  );
}

async function readIndex(folder: URL): Promise<readonly string[]> {
  return JSON.parse(await readFile(new URL(indexName, folder), "utf8"));
}

function nameOf(text: string): string {
  return `${createHash("sha256").update(text).digest("hex").slice(0, 16)}.json`;
}
