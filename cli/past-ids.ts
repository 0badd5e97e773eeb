import { Duckdb } from "../infra/duckdb.ts";
import { type ArchivedIds, archivedIds } from "../infra/master/archived-ids.ts";
import type { Master } from "../infra/master/master.ts";

/** Ids of records that the log has let go of. Seldom asked for: only where a duplicate may be of one of these. */
export function pastIds(master: Pick<Master, "files">, temporaryFolder: () => Promise<string>): ArchivedIds {
  return async function* (range) {
    const options = { memoryLimit: "512MB", threads: 1, temporaryFolder: await temporaryFolder() };
    await using duckdb = await Duckdb.open(options);
    yield* archivedIds(await duckdb.connect(), master, range);
  };
}
