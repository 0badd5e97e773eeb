import type { App } from "../../views/app.ts";
import { isOfType, type LeavingFacts } from "../../views/subject.ts";
import { type Duckdb, interruptible } from "../duckdb.ts";
import type { Timers } from "../timers.ts";
import { writeEarlyValuesOf } from "./early-values.ts";
import { type ErasedRecords, findErasedRecords } from "./erased-records.ts";
import type { ChecksummedFile, MasterFolder } from "./folder.ts";
import { removeReplaced, requireSound } from "./remove-replaced.ts";
import { rewriteRecords } from "./rewrite.ts";

export interface EraserParts {
  readonly app: Pick<App, "events">;
  readonly master: MasterFolder;
  readonly duckdb: Duckdb;
  readonly timers: Timers;
}

/** What there is of facts that are to leave. */
export interface FoundRecords {
  /** By event type; of types without any, nothing. */
  readonly records: Readonly<Record<string, number>>;
  readonly files: number;
}

/**
 * Takes facts that are to leave out of the master dataset: files that hold any are written anew without them and take
 * the place of the former ones as a compacted file does. For the process that adds to the master dataset, while nothing
 * else is added or replaced.
 */
export class Eraser {
  readonly #parts: EraserParts;

  constructor(parts: EraserParts) {
    this.#parts = parts;
  }

  /** What there is of each; what is of several is the first's. */
  async count(leaving: readonly LeavingFacts[], signal: AbortSignal): Promise<readonly FoundRecords[]> {
    const found = leaving.map(() => ({ records: {} as Record<string, number>, files: 0 }));
    await this.#eachType(leaving, signal, async (type, { counts, filesOf }) => {
      for (const [i, one] of found.entries()) {
        const records = counts[i] ?? 0;
        if (records > 0) one.records[type.name] = records;
        one.files += filesOf[i] ?? 0;
      }
    });
    return found;
  }

  /** Readers do not see the records any more; the former files are there until they are removed. */
  async takeOut(leaving: readonly LeavingFacts[], signal: AbortSignal): Promise<void> {
    const { master, duckdb, timers } = this.#parts;
    await this.#eachType(leaving, signal, async (type, { changes, keptToSql }, connection) => {
      const reader = await duckdb.connect();
      try {
        for (const { file, records } of changes) {
          // What is damaged must not get a checksum that says otherwise.
          await requireSound(await this.#checksummed(file), signal);
          const write = async (aside: string, path: string) => {
            const rewriting = { paths: [file.path], records: keptToSql(file), to: aside };
            await interruptible(connection, signal, timers, () => rewriteRecords(connection, rewriting));
            if (type.former.length === 0) return;
            const parts = { connection: reader, reader: connection, signal };
            await writeEarlyValuesOf(parts, type, { ...file, path }, aside);
          };
          await master.replace([file], write, { times: 1, records });
        }
      } finally {
        duckdb.disconnect(reader);
      }
    });
  }

  /** Removes all files in whose place others came, of whichever reason: they may hold what was taken out. */
  async removeFormer(signal: AbortSignal): Promise<void> {
    const { app, master } = this.#parts;
    for (const { name: topic, partitions } of app.events) {
      for (let partition = 0; partition < partitions; partition++) {
        const replaced = await master.replaced(topic, partition);
        await removeReplaced(master, { topic, partition }, replaced, signal);
      }
    }
  }

  async #eachType(
    leaving: readonly LeavingFacts[],
    signal: AbortSignal,
    work: (
      type: App["events"][number],
      found: ErasedRecords,
      connection: Awaited<ReturnType<Duckdb["connect"]>>,
    ) => Promise<void>,
  ): Promise<void> {
    const { app, master, duckdb } = this.#parts;
    const [connection, reader] = [await duckdb.connect(), await duckdb.connect()];
    try {
      for (const type of app.events.filter(({ name }) => leaving.some((facts) => isOfType(facts, name)))) {
        signal.throwIfAborted();
        const files = await master.files(type.name);
        await work(type, await findErasedRecords({ connection, reader }, type, files, leaving), connection);
      }
    } finally {
      for (const used of [connection, reader]) duckdb.disconnect(used);
    }
  }

  async #checksummed(file: Awaited<ReturnType<MasterFolder["files"]>>[number]): Promise<ChecksummedFile> {
    const all = await this.#parts.master.checksummed(file.topic, file.partition);
    return all.find(({ path }) => path === file.path) ?? { ...file, sha256: [] };
  }
}
