import { cp, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { sourceOf } from "../batch-layer/source.ts";
import { compileSql, copyToParquet } from "../batch-layer/sql.ts";
import { runStatement } from "../batch-layer/statement.ts";
import { formatSpan } from "../cli/quantity.ts";
import { airportHours, flight } from "../examples/flights/app.ts";
import { flightsPath } from "../examples/flights/flights.ts";
import { Duckdb } from "../infra/duckdb.ts";
import { thoroughPolicy } from "../infra/master/compaction-plan.ts";
import { Compactor } from "../infra/master/compactor.ts";
import { recordsFileName } from "../infra/master/file-names.ts";
import { MasterFolder } from "../infra/master/folder.ts";
import { offset } from "../views/cut.ts";
import { alternate, atMost, type Row } from "./rounds.ts";

const rounds = 5;
const files = 2_000;
const fileRecords = 150;
const { signal } = new AbortController();
const topics = [{ name: flight.name, partitions: flight.partitions }];

/** The compute step of `airport-hours` over few files, as compaction leaves them, against the same records in many small ones. */
export async function benchCompaction(folder: string): Promise<Row> {
  const [small, compacted] = [join(folder, "small"), join(folder, "compacted")];
  await using duckdb = await Duckdb.open({
    ...{ memoryLimit: "1GB", threads: 1 },
    temporaryFolder: join(folder, "scratch"),
  });
  const connection = await duckdb.connect();
  await writeSmallFiles(connection, small);
  await cp(small, compacted, { recursive: true });
  const before = await MasterFolder.own(small, topics);
  const after = await MasterFolder.own(compacted, topics);
  await new Compactor({
    ...{ events: [flight], master: after, duckdb, timers: globalThis, policy: thoroughPolicy, graceMs: 0 },
    now: () => performance.now(),
  }).pass({ mostRecords: Number.POSITIVE_INFINITY, signal });
  const cut = await before.cut();
  const computing = (master: MasterFolder, name: string) => async () => {
    const startedAt = performance.now();
    const source = sourceOf(flight, await master.files(flight.name), cut);
    const statement = copyToParquet(compileSql(airportHours, [source]), join(folder, name));
    await runStatement(connection, statement, signal, globalThis);
    return performance.now() - startedAt;
  };
  const [few, many] = [computing(after, "few.parquet"), computing(before, "many.parquet")];
  await few();
  await many();
  const [ofFew, ofMany] = await Promise.all(
    ["few", "many"].map((name) => readFile(join(folder, `${name}.parquet`))),
  );
  if (!ofFew?.equals(ofMany ?? Buffer.of())) throw new Error("compaction has changed an answer");
  const { ours, theirs, ratio } = await alternate(rounds, few, many);
  const left = (await after.files(flight.name)).length;
  return {
    what: `batch run, compute step, once ${files.toLocaleString("en")} small files are ${left}`,
    against: "the same records in the small ones",
    mark: atMost(0.33, "×"),
    aim: atMost(0.1, "×"),
    measured: ratio,
    detail: `${formatSpan(ours)} against ${formatSpan(theirs)} over ${(files * fileRecords).toLocaleString("en")} records`,
  };
}

/** As after weeks in which little came at a time. */
async function writeSmallFiles(connection: DuckDBConnection, folder: string): Promise<void> {
  const { partitions, name } = flight;
  const inPartition = files / partitions;
  await connection.run(
    `CREATE TEMP TABLE flights AS SELECT
      (file_row_number % ${partitions})::INTEGER AS _partition, (file_row_number // ${partitions})::BIGINT AS _offset,
      file_row_number::VARCHAR AS _event_id, '/flights' AS _event_source, date::TIMESTAMP_MS AS _event_time,
      false AS _duplicate, NULL::VARCHAR AS _rest, origin, destination, delay, distance
     FROM read_parquet('${flightsPath}', file_row_number = true) WHERE file_row_number < ${files * fileRecords}`,
  );
  for (let partition = 0; partition < partitions; partition++) {
    const inside = join(folder, name, String(partition));
    await mkdir(inside, { recursive: true });
    for (let i = 0; i < inPartition; i++) {
      const [from, next] = [offset(i * fileRecords), offset((i + 1) * fileRecords)];
      await connection.run(
        `COPY (SELECT * FROM flights WHERE _partition = ${partition} AND _offset >= ${from} AND _offset < ${next} ORDER BY _offset)
         TO '${join(inside, recordsFileName(from, next))}' (FORMAT parquet, COMPRESSION zstd)`,
      );
    }
  }
  await connection.run("DROP TABLE flights");
}
