import { spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { cp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { MasterFolder } from "../../infra/master/folder.ts";
import { ArchiveHere } from "./archive-here.ts";
import { plainThing, thing, topics } from "./some-events.ts";

const compactingProcess = fileURLToPath(new URL("compacting-process.ts", import.meta.url));

/** Kills at the n-th change of a partition's folder: a file made, written, renamed or removed. Gives whether it was done. */
async function compactAndKill(masterPath: string, changes: number): Promise<boolean> {
  const child = spawn(process.execPath, ["--import", "tsx/esm", compactingProcess, masterPath], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exit = once(child, "exit");
  let seen = 0;
  const watcher = watch(join(masterPath, thing.name, "0"), () => {
    if (++seen >= changes) child.kill("SIGKILL");
  });
  const [code] = await exit;
  watcher.close();
  return code === 0;
}

test("compaction killed at any moment leaves a folder that reads the same, and the next goes on", async () => {
  await using here = await ArchiveHere.open();
  const [sound, masterPath] = [here.newPath("sound"), here.newPath("master")];
  const events = Array.from({ length: 100 }, (_, n) => ({ ...plainThing(n), partition: 0 }));
  await (await here.things(5, sound)).send(events);
  const rowsOf = (path: string) => here.select("*", MasterFolder.read(path, topics));
  const rows = await rowsOf(sound);
  expect(rows).toHaveLength(100);
  const filesLeft = new Set<number>();
  for (const changes of [1, 3, 6, 9, 14, 25, Number.POSITIVE_INFINITY]) {
    const isLast = changes === Number.POSITIVE_INFINITY;
    if (!isLast) {
      await rm(masterPath, { recursive: true, force: true });
      await cp(sound, masterPath, { recursive: true });
    }
    expect(await compactAndKill(masterPath, changes)).toBe(isLast);
    expect(await rowsOf(masterPath)).toEqual(rows);
    filesLeft.add((await readdir(join(masterPath, thing.name, "0"))).length);
  }
  // Three large ones with their checksums.
  expect(await readdir(join(masterPath, thing.name, "0"))).toHaveLength(6);
  expect(filesLeft.size).toBeGreaterThan(2);
}, 120_000);
