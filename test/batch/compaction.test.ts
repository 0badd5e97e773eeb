import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sourceOf } from "../../batch-layer/source.ts";
import { compileSql } from "../../batch-layer/sql.ts";
import { runStatement } from "../../batch-layer/statement.ts";
import { airportHours, flight } from "../../examples/flights/app.ts";
import { archivedIds } from "../../infra/master/archived-ids.ts";
import { thoroughPolicy } from "../../infra/master/compaction-plan.ts";
import { earlyValues, readableEarlyValues } from "../../infra/master/early-values.ts";
import { evolvedFilesToSql } from "../../infra/master/evolved-files.ts";
import { recordsFileName } from "../../infra/master/file-names.ts";
import type { MasterFolder } from "../../infra/master/folder.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { offset } from "../../views/cut.ts";
import type { EventType } from "../../views/event.ts";
import type { SqlParameters } from "../../views/expression.ts";
import { defineApp, defineEvent, Type } from "../../views/index.ts";
import { recordType, withFormer } from "../../views/recorded-type.ts";
import { ArchiveHere, signal, wholePass } from "../master/archive-here.ts";

let here: ArchiveHere;

beforeEach(async () => {
  here = await ArchiveHere.open(2);
});

afterEach(() => here[Symbol.asyncDispose]());

const partitionFiles = 500;
const fileRecords = 10;

/** A master dataset of 2,000 files, as it is after weeks of little. */
async function writeManyFiles(path: string): Promise<MasterFolder> {
  const topics = [{ name: flight.name, partitions: flight.partitions }];
  const master = await here.master(topics, path);
  await here.connection.run(
    `CREATE TABLE flights AS SELECT
      (range % 4)::INTEGER AS _partition, (range // 4)::BIGINT AS _offset, 'id-' || range AS _event_id, 'test' AS _event_source,
      (TIMESTAMP '2001-01-01' + INTERVAL (range * 7) MINUTE)::TIMESTAMP_MS AS _event_time, range % 11 = 5 AS _duplicate, NULL::VARCHAR AS _rest,
      chr((65 + range % 20)::INTEGER) AS origin, 'X' AS destination, (range * 31 % 90 - 20)::BIGINT AS delay, (range % 2000)::BIGINT AS distance
     FROM range(${4 * partitionFiles * fileRecords})`,
  );
  for (let partition = 0; partition < flight.partitions; partition++) {
    for (let i = 0; i < partitionFiles; i++) {
      const [from, next] = [offset(i * fileRecords), offset((i + 1) * fileRecords)];
      await here.connection.run(
        `COPY (SELECT * FROM flights WHERE _partition = ${partition} AND _offset >= ${from} AND _offset < ${next} ORDER BY _offset) TO $1 (FORMAT parquet, COMPRESSION zstd)`,
        [join(path, flight.name, String(partition), recordsFileName(from, next))],
      );
    }
  }
  return master;
}

test("2,000 small files become a few while batch computations and readers go on, and no answer changes", async () => {
  const master = await writeManyFiles(here.newPath("master"));
  const cut = await master.cut();
  const [computing, reading] = [await here.duckdb.connect(), await here.duckdb.connect()];
  const statesOf = async () => {
    const source = sourceOf(flight, await master.files(flight.name), cut);
    const result = await runStatement(computing, compileSql(airportHours, [source]), signal, globalThis);
    return JSON.stringify(await result.getRowsJson());
  };
  const idsOf = async () => {
    const range = { topic: flight.name, partition: 2, from: offset(7), next: offset(4_990) };
    const ids: string[] = [];
    for await (const { id } of archivedIds(reading, master, range)) ids.push(id);
    return ids.join();
  };
  const [states, ids] = [await statesOf(), await idsOf()];
  expect(JSON.parse(states).length).toBeGreaterThan(1_000);
  const compactor = here.compactor(master, {
    ...{ events: [flight], policy: { ...thoroughPolicy, targetRecords: 2_000 } },
    now: () => performance.now(),
  });
  let passes = 0;
  let removed = 0;
  for (let waiting = await compactor.pending(); waiting > 0; waiting = await compactor.pending()) {
    const pass = compactor.pass({ mostRecords: 4_000, signal });
    const [computed, read, compacted] = await Promise.all([compactor.whileReading(statesOf), idsOf(), pass]);
    expect(computed === states).toBe(true);
    expect(read === ids).toBe(true);
    passes++;
    removed += compacted.removed;
  }
  expect(passes).toBeGreaterThan(3);
  const last = await compactor.pass({ mostRecords: 0, signal });
  expect([removed + last.removed, last.waiting]).toEqual([2_000, 0]);
  expect(await master.files(flight.name)).toHaveLength(12);
  expect((await statesOf()) === states).toBe(true);
  expect((await idsOf()) === ids).toBe(true);
}, 240_000);

test("values of fields from before they were declared are the same after compaction, with or without a run in between", async () => {
  const properties = { city: Type.String(), at: Type.Optional(Type.Time()) };
  const declare = (more: object) =>
    defineEvent({
      name: "shop.order.placed",
      partitions: 1,
      schema: Type.Object({ ...properties, ...more }),
    }) as EventType;
  const first = declare({});
  const grown = declare({ rate: Type.Optional(Type.Integer()) });
  const second = withFormer(grown, {
    ...recordType(grown),
    former: [{ schema: recordType(first).schema, next: [offset(17)] }],
  });
  const { duckdb, connection } = here;
  const topics = [{ name: first.name, partitions: 1 }];
  const eventOf = (i: number) => {
    const data = { city: `c${i % 3}`, at: "2026-01-01T00:00:00.123Z", rate: i };
    const envelope = { specversion: "1.0", id: `${i}`, source: "test", type: first.name };
    const value = Buffer.from(JSON.stringify({ ...envelope, time: "2026-01-01T00:00:00Z", data }));
    return { topic: first.name, partition: 0, key: null, value };
  };
  const events = Array.from({ length: 40 }, (_, i) => eventOf(i));
  for (const hasRun of [true, false]) {
    const [log, master] = [await here.log(topics), await here.master(topics)];
    const archive = async (type: EventType) => {
      const app = { ...defineApp({ name: "shop", views: [], events: [declare({})] }), events: [type] };
      const archiver = new Archiver({ app, log, master, duckdb, recordsPerFile: 3 });
      await archiver.archive(await archiver.logEnd());
    };
    await log.append(events.slice(0, 14));
    await archive(first);
    // Three that were not archived when the second schema came, then those of its own.
    await log.append(events.slice(14));
    await archive(second);
    const reader = await duckdb.connect();
    const rates = async () => {
      const files = await master.files(first.name);
      const early = await earlyValues({ connection, reader }, second, files);
      const parameters: SqlParameters = { values: [] };
      const covered = files.map((file) => file.path);
      const sql = evolvedFilesToSql({ event: second, covered, straddling: [], early }, parameters);
      const result = await connection.runAndReadAll(
        `SELECT _offset, rate, epoch_ms("at") FROM (${sql}) ORDER BY _offset`,
        parameters.values as string[],
      );
      return result.getRowsJson();
    };
    const before = hasRun ? await rates() : undefined;
    await here.compactor(master, { events: [second] }).pass(wholePass);
    const files = await master.files(first.name);
    expect(files.map(({ from, next }) => [from, next])).toEqual([
      [0, 14],
      [14, 17],
      [17, 40],
    ]);
    // A reader who makes none has those of the large file, and what a run made beside the others.
    expect(await readableEarlyValues(second, files)).toHaveLength(hasRun ? 2 : 1);
    const after = await rates();
    if (before !== undefined) expect(after).toEqual(before);
    expect(after.map(([, rate]) => Number(rate))).toEqual(events.map((_, i) => i));
  }
}, 60_000);
