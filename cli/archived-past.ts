import { Duckdb } from "../infra/duckdb.ts";
import { type ArchivedEvents, archivedEvents } from "../infra/master/archived-events.ts";
import { type ArchivedIds, archivedIds } from "../infra/master/archived-ids.ts";
import type { Master } from "../infra/master/master.ts";

export interface ArchivedPast {
  /** Ids of records that the log has let go of: where a duplicate may be of one of these. */
  readonly archivedIds: ArchivedIds;
  /** Records that it has let go of: for views that no generation is made of. */
  readonly archivedEvents: ArchivedEvents;
}

/** What the speed layer reads of the master dataset; seldom, so that each read has a DuckDB of its own. */
export function archivedPast(
  master: Pick<Master, "files">,
  temporaryFolder: () => Promise<string>,
): ArchivedPast {
  const open = async () =>
    Duckdb.open({ memoryLimit: "512MB", threads: 1, temporaryFolder: await temporaryFolder() });
  return {
    archivedIds: async function* (range) {
      await using duckdb = await open();
      yield* archivedIds(await duckdb.connect(), master, range);
    },
    archivedEvents: async function* (...range) {
      await using duckdb = await open();
      yield* archivedEvents(await duckdb.connect(), master, ...range);
    },
  };
}
