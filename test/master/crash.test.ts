import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { MasterFolder } from "../../infra/master/folder.ts";
import { ArchiveHere } from "./archive-here.ts";
import { app, appendOf, plainThing, topics } from "./some-events.ts";

const archivingProcess = fileURLToPath(new URL("archiving-process.ts", import.meta.url));

/** Archives until so many reports of progress were given, then kills. Gives whether it was done by then. */
async function archiveAndKill(logPath: string, masterPath: string, reports: number): Promise<boolean> {
  const child = spawn(process.execPath, ["--import", "tsx/esm", archivingProcess, logPath, masterPath], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  let told = 0;
  child.stdout.setEncoding("utf8").on("data", (lines: string) => {
    told += lines.split("\n").length - 1;
    if (told > reports) child.kill("SIGKILL");
  });
  const [code] = await exit;
  return code === 0;
}

test("an archiver killed at any moment leaves whole files, and the next goes on where they end", async () => {
  await using here = await ArchiveHere.open();
  const [logPath, masterPath] = [here.newPath("log"), here.newPath("master")];
  const log = await here.log(topics, logPath);
  const master = MasterFolder.read(masterPath, topics);
  const count = 9_000;
  // Every ninth event is the one before the last of its partition again.
  const events = Array.from({ length: count }, (_, n) => plainThing(n % 9 === 8 ? n - 6 : n));
  await log.append(events.map(appendOf));

  for (const reports of [0, 1, 2, 4, Number.POSITIVE_INFINITY]) {
    expect(await archiveAndKill(logPath, masterPath, reports)).toBe(reports === Number.POSITIVE_INFINITY);
    const read = await here.select(
      `count(*), count(DISTINCT (_partition, _offset)), count(*) FILTER (WHERE _duplicate <> (_partition = 2 AND _offset % 3 = 2)),
        bool_and(whole = 3 * (_offset - CASE WHEN _duplicate THEN 2 ELSE 0 END) + _partition)`,
      master,
    );
    if (read.length === 0) continue;
    const archived = Object.values(await master.cut())
      .flat()
      .reduce((sum, next) => sum + next, 0);
    expect(read).toEqual([[BigInt(archived), BigInt(archived), 0n, true]]);
  }
  const end = { [app.events[0]?.name ?? ""]: await log.nexts("test.thing.seen") };
  expect(await master.cut()).toEqual(end);
  for (const partition of ["0", "1", "2"]) {
    const names = await readdir(join(masterPath, "test.thing.seen", partition));
    expect(names.filter((name) => name.startsWith("."))).toEqual([]);
  }
}, 60_000);
