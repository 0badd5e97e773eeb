import { join } from "node:path";
import { type DuckDBValue, listValue } from "@duckdb/node-api";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Topic } from "../../infra/log/log.ts";
import { thoroughPolicy } from "../../infra/master/compaction-plan.ts";
import { Compactor, type CompactorParts } from "../../infra/master/compactor.ts";
import { Eraser } from "../../infra/master/eraser.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import type { Master } from "../../infra/master/master.ts";
import { Archiver } from "../../ingestion/archive.ts";
import type { LeavingFacts } from "../../views/subject.ts";
import { DuckdbHere } from "../duckdb-here.ts";
import { app, appendOf, type Thing, thing, topics } from "./some-events.ts";

export const { signal } = new AbortController();
/** A pass of the compactor over all that there is. */
export const wholePass = { mostRecords: Number.POSITIVE_INFINITY, signal };

/** Logs and master datasets, of things where nothing else is said, and what works on them. */
export class ArchiveHere extends DuckdbHere {
  #paths = 0;

  newPath(of: string): string {
    return join(this.root, `${of}-${++this.#paths}`);
  }

  async log(of: readonly Topic[] = topics, path = this.newPath("log")): Promise<LmdbLog> {
    return this.use(await LmdbLog.open({ path, topics: of, mode: "writer" }));
  }

  master(of: readonly Topic[] = topics, root = this.newPath("master")): Promise<MasterFolder> {
    return MasterFolder.own(root, of);
  }

  /** A master dataset of the things that are sent, each time to its end, and what takes facts out of it. */
  async things(recordsPerFile: number, root?: string) {
    const { duckdb } = this;
    const [log, master] = [await this.log(), await this.master(topics, root)];
    const archiver = new Archiver({ app, log, master, duckdb, recordsPerFile });
    const eraser = new Eraser({ app, master, duckdb, timers: globalThis });
    return {
      ...{ master, eraser },
      send: async (events: readonly Thing[]) => {
        if (events.length > 0) await log.append(events.map(appendOf));
        await archiver.archive(await archiver.logEnd());
      },
      takeOut: (...leaving: readonly LeavingFacts[]) => archiver.alone(() => eraser.takeOut(leaving, signal)),
    };
  }

  /** Of all files, which it removes as soon as others took their place, unless `parts` say otherwise. */
  compactor(master: MasterFolder, parts: Partial<CompactorParts> = {}): Compactor {
    const { duckdb } = this;
    return new Compactor({
      ...{ events: app.events, master, duckdb, timers: globalThis, policy: thoroughPolicy, graceMs: 0 },
      now: () => 0,
      ...parts,
    });
  }

  /** What readers see of a topic, in the order in which it stands in the files. */
  async select(
    columns: string,
    master: Pick<Master, "files">,
    topic = thing.name,
  ): Promise<readonly DuckDBValue[][]> {
    const paths = (await master.files(topic)).map(({ path }) => path);
    if (paths.length === 0) return [];
    const sql = `SELECT ${columns} FROM read_parquet($1)`;
    return (await this.connection.runAndReadAll(sql, [listValue(paths)])).getRows();
  }
}
