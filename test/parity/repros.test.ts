import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { check } from "./fuzz/check.ts";
import { cases } from "./fuzz/generate.ts";
import { Layers } from "./fuzz/layers.ts";
import { readRepros, writeRepro } from "./fuzz/repros.ts";

test("what once failed holds now", async () => {
  const layers = await Layers.open();
  try {
    for (const { name, message, case: c } of await readRepros()) {
      await expect(check(layers, c), `${name}, which once failed with: ${message}`).resolves.toBeUndefined();
    }
  } finally {
    await layers[Symbol.asyncDispose]();
  }
});

async function withRepros(
  use: (folder: URL, names: readonly string[]) => Promise<void>,
  written = fc.sample(cases, { seed: 1, numRuns: 3 }),
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "tidemark-repros-"));
  const folder = pathToFileURL(`${root}/`);
  try {
    await writeFile(new URL("index.json", folder), "[]");
    const names: string[] = [];
    for (const c of written) names.push(await writeRepro({ case: c, message: "m" }, folder));
    await use(folder, names);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

test("a case is the same after being written down and read", async () => {
  const written = fc.sample(cases, { seed: 2, numRuns: 200 });
  await withRepros(async (folder, names) => {
    const read = new Map((await readRepros(folder)).map((repro) => [repro.name, repro.case]));
    expect(names.map((name) => read.get(name))).toEqual(written);
  }, written);
});

test("a repro that is missing, corrupt or not listed is an error", async () => {
  await withRepros(async (folder, [name = ""]) => {
    await rm(new URL(name, folder));
    await expect(readRepros(folder)).rejects.toThrow(`repro ${name} is missing`);
  });
  await withRepros(async (folder, [name = ""]) => {
    await writeFile(new URL(name, folder), "{");
    await expect(readRepros(folder)).rejects.toThrow(`repro ${name} is not what was written`);
  });
  await withRepros(async (folder) => {
    await writeFile(new URL("more.json", folder), "{}");
    await expect(readRepros(folder)).rejects.toThrow("repro more.json is not in index.json");
  });
  await withRepros(async (folder) => {
    await rm(new URL("index.json", folder));
    await expect(readRepros(folder)).rejects.toThrow("index.json");
  });
});
