import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compileSql, copyToParquet } from "../../batch-layer/sql.ts";
import { readStateRows } from "../../batch-layer/state-rows.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { LogRecord } from "../../infra/log/log.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { Admission, noneSkipped } from "../../speed-layer/admission.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import { defineApp, defineDimension, defineTable } from "../../views/index.ts";
import type { StateRow } from "../../views/state.ts";
import { ada, change, orderChanges, postgres, withSchema } from "./orders.ts";

const orders = defineTable({ name: "orders", from: orderChanges });
const byOrder = defineDimension({
  name: "by-order",
  from: orderChanges,
  key: (f) => f.id,
  attributes: (f) => ({ status: f.status, note: f.note }),
  deleted: (f) => f.__op.eq("d"),
});
const app = defineApp({ name: "shop", views: [orders, byOrder.view] });

let lifecycle: Lifecycle;
let root: string;

beforeEach(async () => {
  lifecycle = new Lifecycle();
  root = await mkdtemp(join(tmpdir(), "tidemark-changes-"));
  lifecycle.defer(() => rm(root, { recursive: true, force: true }));
});
afterEach(() => lifecycle[Symbol.asyncDispose]());

/** As Debezium leaves them in a partition: a snapshot, changes, one delivery twice, tombstones, and what is no change. */
const values: readonly unknown[] = [
  change("r", 100, { after: ada }),
  change("r", 100, { after: { ...ada, id: 8, note: "by noon" } }),
  withSchema(change("u", 110, { after: { ...ada, status: "paid", note: "door" } })),
  change("d", 120, { before: { ...ada, id: 8 } }),
  undefined,
  withSchema(change("u", 110, { after: { ...ada, status: "paid", note: "door" } })),
  change("t", 125, {}),
  // Its clock was put back.
  change("u", 130, { after: { ...ada, status: "sent" }, source: postgres(130, { ts_ms: 1 }) }),
  change("c", 140, { after: { ...ada, id: 9, weight: null, placed: null } }),
  change("u", 150, { after: { ...ada, id: 9, cents: null } }),
];

/** What of a state both layers give. */
function described(rows: readonly StateRow[]) {
  return rows.map(({ dimensions, cells }) => ({ dimensions, cells }));
}

test("both layers make the same of Debezium's records, tombstones are neither events nor letters, and the master keeps what came", async () => {
  const topics = [{ name: orderChanges.name, partitions: orderChanges.partitions }];
  const log = lifecycle.use(await LmdbLog.open({ path: join(root, "log"), topics, mode: "writer" }));
  const duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "500MB", threads: 1, temporaryFolder: join(root, "spill") }),
  );
  const master = await MasterFolder.own(join(root, "master"), topics);
  await log.append(
    values.map((value) => ({
      ...{ topic: orderChanges.name, partition: 1, key: '{"id":7}' },
      value: value === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(value)),
      // A Kafka log has times of its own.
      headers: { "content-type": "application/json" },
    })),
  );

  const letters: (readonly [number, string])[] = [];
  const onInvalid = ({ offset: at }: LogRecord, { code }: { code: string }) => void letters.push([at, code]);
  const archiver = new Archiver({ app, log, master, duckdb, onInvalid });
  await archiver.archive(await archiver.logEnd());
  expect(letters).toEqual([
    [6, "TIDEMARK_CHANGE_TRUNCATE"],
    [9, "TIDEMARK_EVENT_DATA"],
  ]);
  const connection = await duckdb.connect();
  const files = await master.files(orderChanges.name);
  const archived = await connection.runAndReadAll(
    `SELECT _offset::INT, _event_id, _duplicate, status, "__op" FROM read_parquet('${files[0]?.path}')`,
  );
  expect(archived.getRows()).toEqual([
    [0, '100/r/{"id":7}', false, "open", "r"],
    [1, '100/r/{"id":8}', false, "open", "r"],
    [2, '110/u/{"id":7}', false, "paid", "u"],
    [3, '120/d/{"id":8}', false, null, "d"],
    [5, '110/u/{"id":7}', true, "paid", "u"],
    [7, '130/u/{"id":7}', false, "sent", "u"],
    [8, '140/c/{"id":9}', false, "open", "c"],
  ]);

  const records: LogRecord[] = [];
  for await (const batch of log.read(orderChanges.name, 1, offset(0), offset(values.length))) {
    records.push(...batch.records);
  }
  const skipped = noneSkipped();
  const events = new Admission(orderChanges, 1, skipped).admit(records, offset(values.length));
  expect(skipped).toEqual({ duplicates: 1, undecodable: 2, forgotten: 0 });
  for (const view of [orders, byOrder.view]) {
    const segment = new TailSegment(view, 1, offset(0));
    compileFold(view)(segment, events, 0, records);
    const states = join(root, "states.parquet");
    const sources = [
      { event: orderChanges, covered: files.map(({ path }) => path), straddling: [], records: 7 },
    ];
    const { sql, parameters } = copyToParquet(compileSql(view, sources), states);
    await connection.run(sql, [...parameters]);
    const rows: StateRow[] = [];
    for await (const chunk of readStateRows(connection, view, [states])) rows.push(...chunk);
    expect(described(rows)).toEqual(described(segment.sortedRows()));
    if (view !== byOrder.view) continue;
    // A dimension table of changes goes by the log, too.
    expect(rows.map(({ dimensions, cells }) => [dimensions[0], byOrder.rowOf(cells)])).toEqual([
      [7, ["sent", null]],
      [8, undefined],
      [9, ["open", null]],
    ]);
  }
});
