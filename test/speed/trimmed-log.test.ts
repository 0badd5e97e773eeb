import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { archivedIds } from "../../infra/master/archived-ids.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { offset } from "../../views/cut.ts";
import { cutAt, mergedRows } from "./running.ts";
import { SeveralWorkers } from "./several-workers.ts";
import { expectedRows, placesByHour, type Visit, visit, visits } from "./visits.ts";

test("a worker knows a duplicate of a record that the log has let go of and the master dataset has", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-trimmed-"));
  await using duckdb = await Duckdb.open({
    ...{ memoryLimit: "500MB", threads: 1, temporaryFolder: join(folder, "spill") },
  });
  const several = await SeveralWorkers.start();
  try {
    const made = (id: string): Visit => ({ id, place: "ORD", time: 0, stay: 5 });
    for (const id of ["1", "2", "3", "4", "5", "6", "7"]) await several.append(0, [made(id)]);
    const master = await MasterFolder.own(join(folder, "master"), [
      { name: visit.name, partitions: visit.partitions },
    ]);
    await new Archiver({ app: visits, log: several.log, master, duckdb }).archive(cutAt([7, 0]));
    for (const view of visits.views) several.pointers.point(view, cutAt([7, 0]));
    await several.log.trim(visit.name, 0, offset(6));
    expect((await several.log.starts(visit.name))[0]).toBe(6);

    const connection = await duckdb.connect();
    several.archivedIds = (range) => archivedIds(connection, master, range);
    several.assign("a", [0, 1]);
    const tail = await several.serve();
    // Of the six records before its own, "3" and "5" were let go of; "1" lies too far back.
    await several.append(0, ["3", "7", "1", "8", "5"].map(made));
    await several.caughtUp(tail);

    const segments = tail.segments(placesByHour, cutAt([7, 0])) ?? [];
    expect(mergedRows(placesByHour, segments)).toEqual(
      expectedRows(several.appended, [7, 0], [12, 0]).places,
    );
  } finally {
    await several.end();
    await rm(folder, { recursive: true, force: true });
  }
});
