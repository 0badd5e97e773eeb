import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import { windowless } from "./some-view.ts";

const publisher = fileURLToPath(new URL("publisher.ts", import.meta.url));
const kills = 6;

/** Lets the publisher publish some generations, and kills it `delayMs` into the next one. Gives the last one it told of. */
async function publishAndKill(root: string, first: number, delayMs: number): Promise<number> {
  const child = spawn(process.execPath, ["--import", "tsx/esm", publisher, root, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let told = first - 1;
  for await (const lines of child.stdout.setEncoding("utf8")) {
    told = Number(String(lines).trim().split("\n").at(-1));
    if (told >= first + 2) break;
  }
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  child.kill("SIGKILL");
  await once(child, "exit");
  return told;
}

test("a publisher killed at any moment leaves whole generations, and one that serves", async () => {
  const root = await mkdtemp(join(tmpdir(), "tidemark-crash-"));
  const generations = GenerationsFolder.read({ root, onWatchError: () => undefined });
  let first = 1;
  for (let kill = 0; kill < kills; kill++) {
    const told = await publishAndKill(root, first, kill * 1.7);
    const current = await generations.current(windowless);
    expect(Number(current?.id.slice(1))).toBeGreaterThanOrEqual(told);
    const list = await generations.list("windowless");
    expect(list.map(({ id }) => id)).toContain(current?.id);
    for (const { id, rows } of list) {
      const reader = await generations.open(windowless, id);
      const n = Number(id.slice(1));
      const read = [...reader.scan([], undefined, undefined)];
      expect(read).toHaveLength(rows);
      expect(new Set(read.map(({ cells }) => cells[0]))).toEqual(new Set([n]));
      expect(await readFile(reader.statesPaths[0] ?? "", "utf8")).toBe(`${n}`);
      await reader[Symbol.asyncDispose]();
      first = Math.max(first, n + 1);
    }
  }
  await GenerationsFolder.own({ root, onWatchError: () => undefined });
  expect((await readdir(join(root, "windowless"))).filter((name) => name.startsWith("."))).toEqual([]);
  await rm(root, { recursive: true });
});
