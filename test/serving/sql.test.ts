import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";

import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import fc from "fast-check";
import type { FastifyInstance } from "fastify";
import { expect, test } from "vitest";
import { sourceOf } from "../../batch-layer/source.ts";
import { compileSql, copyToParquet } from "../../batch-layer/sql.ts";
import { readStateRows } from "../../batch-layer/state-rows.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import { onlyFile } from "../../infra/generations/state-parts.ts";
import { createServer } from "../../infra/http.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { Log } from "../../infra/log/log.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { type AccessPath, bestPath, type Planner } from "../../serving-layer/access-path.ts";
import { ColumnScans } from "../../serving-layer/column-scan.ts";
import { registerServing } from "../../serving-layer/routes.ts";
import { SqlRunner } from "../../serving-layer/sql/runner.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import { offset } from "../../views/cut.ts";
import type { Event } from "../../views/event.ts";
import {
  count,
  countDistinct,
  defineApp,
  defineEvent,
  defineView,
  distinct,
  histogram,
  latest,
  max,
  mean,
  min,
  quantile,
  session,
  sliding,
  stddev,
  sum,
  Type,
  tumbling,
} from "../../views/index.ts";
import type { StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { type Fact, MasterInMemory } from "../batch/master-in-memory.ts";
import { PlainJobs } from "./plain-jobs.ts";
import { PlainDeadLetters, PlainGenerations, PlainLog, PlainTail } from "./plain-stores.ts";

const reading = defineEvent({
  name: "test.meter.read",
  schema: Type.Object({
    site: Type.String(),
    unit: Type.Optional(Type.Integer()),
    isOn: Type.Boolean(),
    value: Type.Integer(),
    price: Type.Number(),
  }),
  partitions: 2,
});

/** One that DuckDB presents by itself, one that it can't, and two whose rows are put together from several. */
const plain = defineView({
  name: "by-unit",
  from: reading,
  by: (f) => ({ site: f.site, unit: f.unit, isOn: f.isOn, hour: tumbling("1h") }),
  measures: (f) => ({
    readings: count(),
    total: sum(f.value),
    average: mean(f.value),
    least: min(f.value),
    most: max(f.price),
    paid: sum(f.price, { scale: 2 }),
    last: latest(f.site),
  }),
  derived: (m) => ({ perReading: m.total.dividedBy(m.readings) }),
});
const sketched = defineView({
  name: "by-site",
  from: reading,
  by: (f) => ({ site: f.site, day: tumbling("1d", { tz: "Europe/Berlin" }) }),
  measures: (f) => ({
    spread: stddev(f.value),
    units: countDistinct(f.unit),
    few: distinct(f.unit, { upTo: 2 }),
    half: quantile(f.value, 0.5),
    bins: histogram(f.value, { edges: [0, 10] }),
    lastRead: max(f.price),
  }),
});
const overlapping = defineView({
  name: "in-three-hours",
  from: reading,
  by: (f) => ({ site: f.site, window: sliding("3h", { every: "1h" }) }),
  measures: (f) => ({ readings: count(), total: sum(f.value) }),
});
const visits = defineView({
  name: "visits",
  from: reading,
  by: (f) => ({ unit: f.unit, begin: session("1h") }),
  measures: (f) => ({ readings: count(), total: sum(f.value) }),
});
const views = [plain, sketched, overlapping, visits];
const app = defineApp({ name: "sql", views });

const hour = 3_600_000;
const readings = fc.array(
  fc.record<Fact>({
    time: fc.integer({ min: -30, max: 60 }).map((hours) => hours * hour),
    data: fc.record(
      {
        site: fc.constantFrom("a", "b", "é", "it's", ""),
        unit: fc.integer({ min: -1, max: 2 }),
        isOn: fc.boolean(),
        value: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -20, max: 20 })),
        price: fc.integer({ min: 0, max: 1_000 }).map((cents) => cents / 100),
      },
      { requiredKeys: ["site", "isOn", "value", "price"] },
    ),
  }),
  { minLength: 5, maxLength: 60 },
);
/** Of each partition its records, and how many of them are archived and in the generation. */
const worlds = fc.record({
  records: fc.tuple(readings, readings),
  archived: fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 60 })),
  cut: fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 60 })),
});
type World = typeof worlds extends fc.Arbitrary<infer W> ? W : never;

function eventOf({ time, data }: Fact, partition: number, at: number): Event {
  const id = `id-${partition}-${at}`;
  return { id, source: "test", type: reading.name, key: id, time, data: data as Event["data"] };
}

/** The records as the gateway puts them into the log. */
function logOf(records: World["records"]): Pick<Log, "read"> {
  return {
    async *read(topic, partition, from, next) {
      const all = (records[partition] ?? []).slice(from, next).map((fact, i) => {
        const { id, source, type, time, data } = eventOf(fact, partition, from + i);
        const envelope = { id, source, type, time: new Date(time).toISOString(), data };
        const value = Buffer.from(JSON.stringify(envelope));
        return { offset: offset(from + i), key: id, value, headers: undefined, timestampMs: undefined };
      });
      yield { topic, partition, from, next, end: next, records: all };
    },
  };
}

async function generate(
  view: View,
  world: World,
  stores: {
    connection: DuckDBConnection;
    master: MasterInMemory;
    generations: GenerationsFolder;
    tail: PlainTail;
  },
): Promise<void> {
  const { connection, master, generations, tail } = stores;
  const nexts = world.cut.map((next, p) =>
    offset(Math.min(next, world.archived[p] ?? 0, world.records[p]?.length ?? 0)),
  );
  const cut = { [reading.name]: nexts };
  const draft = await generations.draft(view, "g-1");
  const source = sourceOf(reading, await master.files(reading.name), cut);
  const { sql, parameters } = copyToParquet(compileSql(view, [source]), draft.pathOf(onlyFile));
  await connection.run(sql, [...parameters]);
  const rows: StateRow[] = [];
  for await (const chunk of readStateRows(connection, view, [draft.pathOf(onlyFile)])) rows.push(...chunk);
  for (const row of rows) await draft.add(row);
  await draft.publish(new PlainGenerations().add(view, "g-1", cut, rows));
  await generations.point(view.name, "g-1");
  tail.put(
    view,
    world.records.map((records, partition) => {
      const from = nexts[partition] ?? offset(0);
      const segment = new TailSegment(view, partition, from);
      const events = records.slice(from).map((fact, i) => eventOf(fact, partition, from + i));
      compileFold(view)(
        segment,
        events,
        0,
        events.map((_, i) => ({ offset: offset(from + i) })),
      );
      return { partition, from, next: records.length, rows: segment.sortedRows() };
    }),
  );
}

/** Runs with servers over one world, of which each prefers a path of its own. */
async function inWorld(
  world: World,
  work: (ask: Asking, records: DuckDBConnection) => Promise<void>,
): Promise<void> {
  const ends = new Lifecycle();
  const root = await mkdtemp(join(tmpdir(), "tidemark-sql-"));
  ends.defer(() => rm(root, { recursive: true, force: true }));
  try {
    const [master, generations, folder] = ["master", "generations", "sql"].map((name) =>
      join(root, name),
    ) as [string, string, string];
    for (const path of [master, folder]) await mkdir(path);
    const options = { memoryLimit: "512MB", threads: 1, temporaryFolder: join(root, "spill") };
    const free = ends.use(await Duckdb.open(options));
    const connection = await free.connect();
    const stores = {
      connection,
      master: new MasterInMemory(connection, master),
      generations: await GenerationsFolder.own({ root: generations, pollMs: 1, onWatchError: failWith }),
      tail: new PlainTail(),
    };
    for (const [partition, records] of world.records.entries()) {
      const archived = records.slice(0, world.archived[partition]);
      if (archived.length > 0) await stores.master.append(reading, partition, archived);
    }
    for (const view of views) {
      await generate(view, world, stores);
    }
    const confined = { folders: [master, generations, folder], temporaryLimit: "1GB" };
    const engine = ends.use(
      await SqlRunner.open({
        ...{
          app,
          log: logOf(world.records),
          folder,
          folders: [root],
          timers: globalThis,
          fatal: failWith,
        },
        duckdb: ends.use(await Duckdb.open({ ...options, confined })),
        ...{ generations: GenerationsFolder.read({ root: generations, onWatchError: failWith }) },
        master: stores.master,
      }),
    );
    const scans = ends.use(new ColumnScans(async () => free));
    const log = new PlainLog(views);
    log.advanceTo(
      reading.name,
      world.records.map(({ length }) => length),
    );
    const servers = new Map<string, FastifyInstance>();
    for (const path of ["index", "columns"] as const) {
      const server = createServer({});
      const parts = { app, generations: stores.generations, tail: stores.tail, log, profile: "embedded" };
      const others = { jobs: new PlainJobs(), deadLetters: new PlainDeadLetters() };
      const serving = registerServing(server, {
        ...parts,
        ...others,
        scans,
        sql: { engine },
        planner: preferring(path),
      });
      ends.use(serving);
      ends.defer(() => server.close());
      servers.set(path, server);
      for (const view of views) {
        for (let n = 0; ; n++) {
          const { statusCode, body } = await server.inject(`/v1/views/${view.name}/rows?layer=batch&limit=1`);
          if (statusCode === 200) break;
          if (n > 300) throw new Error(body);
          await new Promise((r) => setTimeout(r, 5));
        }
      }
    }
    await writeFacts(connection, world);
    await work(new Asking(servers), connection);
  } finally {
    await ends[Symbol.asyncDispose]();
  }
}

function preferring(path: AccessPath): Planner {
  return (paths) => (paths.includes(path) ? path : bestPath(paths));
}

/** The records as a plain table, for who wants to do without all of this. */
async function writeFacts(connection: DuckDBConnection, { records }: World): Promise<void> {
  const rows = records.flat().map(({ time, data }) => ({ time, ...data }));
  await connection.run(
    'CREATE TABLE records AS SELECT unnest(from_json($1, \'[{"time":"BIGINT","site":"VARCHAR","unit":"BIGINT","isOn":"BOOLEAN","value":"BIGINT","price":"DOUBLE"}]\'), recursive := true)',
    [JSON.stringify(rows)],
  );
}

class Asking {
  readonly #servers: ReadonlyMap<string, FastifyInstance>;

  constructor(servers: ReadonlyMap<string, FastifyInstance>) {
    this.#servers = servers;
  }

  async rows(view: string, query: string, path: "index" | "columns" = "index") {
    const { statusCode, body } =
      (await this.#servers.get(path)?.inject(`/v1/views/${view}/rows?${query}`)) ?? {};
    expect(statusCode, body).toBe(200);
    return JSON.parse(body ?? "");
  }

  async sql(sql: string) {
    const request = { method: "POST", url: "/v1/sql", payload: { sql } } as const;
    const { statusCode, body } = (await this.#servers.get("index")?.inject(request)) ?? {};
    expect(statusCode, body).toBe(200);
    return JSON.parse(body ?? "");
  }
}

function failWith(error: unknown): never {
  expect.fail(String(error));
}

const sorted = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();

test("a view by SQL is the view by rows, and both are what DuckDB makes of the records, wherever the cut lies", async () => {
  await fc.assert(
    fc.asyncProperty(worlds, (world) =>
      inWorld(world, async (ask, records) => {
        for (const view of views) {
          const { rows, provenance } = await ask.rows(view.name, "limit=100000");
          const answer = await ask.sql(`SELECT * FROM "${view.name}"`);
          expect(sorted(answer.rows)).toEqual(sorted(rows));
          expect(answer.provenance.views[view.name]).toEqual(provenance);
        }
        const own = await records.runAndReadAll(
          "SELECT site, unit, isOn, count(*)::INTEGER, sum(value)::VARCHAR, min(value)::VARCHAR FROM records GROUP BY ALL ORDER BY ALL",
        );
        const grouped = `site, unit, "isOn", sum(readings)::INTEGER, sum(total)::VARCHAR, min(least)::VARCHAR`;
        const { rows } = await ask.sql(`SELECT ${grouped} FROM by_unit GROUP BY ALL ORDER BY ALL`);
        expect(rows.map(Object.values)).toEqual(JSON.parse(JSON.stringify(own.getRowsJson())).map(ofNumbers));

        const counted = "count(*)::INTEGER AS n, sum(value)::VARCHAR AS s, max(price) AS p";
        const events = await ask.sql(`SELECT ${counted} FROM test_meter_read WHERE NOT _duplicate`);
        const expected = await records.runAndReadAll(`SELECT ${counted} FROM records`);
        expect(events.rows).toEqual(expected.getRowObjectsJson());
        expect(events.provenance.events[reading.name]).toMatchObject({ lag: 0, complete: true });
      }),
    ),
    { numRuns: 3, endOnFailure: true },
  );
}, 240_000);

function ofNumbers(row: readonly unknown[]): readonly unknown[] {
  return row.map((value, i) => (i === 1 && value !== null ? Number(value) : value));
}

const questions = fc.record({
  groupBy: fc.option(fc.subarray(["site", "unit", "isOn", "hour"]), { nil: undefined }),
  orderBy: fc.option(
    fc.constantFrom(
      "-readings",
      "total",
      "-average",
      "least",
      "-most",
      "paid",
      "-perReading",
      "-readings,total",
    ),
    { nil: undefined },
  ),
  measures: fc.option(fc.constantFrom("readings", "total,average", "perReading", "least,last"), {
    nil: undefined,
  }),
  limit: fc.constantFrom(1, 3, 1000),
  filter: fc.constantFrom(
    "",
    "&site=a",
    "&site=it's&site=é",
    "&unit=null",
    "&unit:from=0",
    "&site:prefix=i",
    "&unit:not=1&unit:not=null",
    "&isOn=true",
  ),
  range: fc.constantFrom("", "&from=1970-01-01", "&from=1970-01-01T05:00:00Z&to=1970-01-02"),
  granularity: fc.constantFrom("", "&granularity=5h", "&granularity=1d", "&granularity=all"),
  rest: fc.constantFrom("", "", "&totals=true", "&layer=batch"),
});

test("an answer read by columns is the answer read from the index, page after page", async () => {
  let byColumns = 0;
  await fc.assert(
    fc.asyncProperty(worlds, fc.array(questions, { minLength: 30, maxLength: 30 }), (world, all) =>
      inWorld(world, async (ask) => {
        // The first rows of an order, which DuckDB is to give: whole keys, of which the tail touches few.
        for (const order of ["-total", "total", "-least", "average", "-perReading", "-unit,hour", "-paid"]) {
          const query = `limit=2&orderBy=${order}`;
          expect(await ask.rows(plain.name, query, "columns")).toEqual(await ask.rows(plain.name, query));
        }
        for (const { groupBy, orderBy, measures, limit, filter, range, granularity, rest } of all) {
          const isByTime = groupBy === undefined || groupBy.includes("hour");
          const query = [
            `limit=${limit}${filter}${range}${isByTime || granularity === "&granularity=all" ? granularity : ""}`,
            rest.slice(1),
            ...(groupBy === undefined || (granularity === "&granularity=all" && isByTime)
              ? []
              : [`groupBy=${groupBy}`]),
            ...(orderBy === undefined ? [] : [`orderBy=${orderBy}`]),
            ...(measures === undefined ? [] : [`measures=${measures}`]),
          ].join("&");
          let cursor = "";
          for (let page = 0; page < 3; page++) {
            const [byIndex, explained, answer] = [
              await ask.rows(plain.name, query + cursor),
              await ask.rows(plain.name, `${query}${cursor}&explain=true`, "columns"),
              await ask.rows(plain.name, query + cursor, "columns"),
            ];
            expect(answer, query + cursor).toEqual(byIndex);
            expect(explained.rows).toEqual(byIndex.rows);
            if (explained.explain.path === "columns") byColumns++;
            if (byIndex.cursor === null) break;
            cursor = `&cursor=${byIndex.cursor}`;
          }
        }
      }),
    ),
    { numRuns: 3, endOnFailure: true },
  );
  expect(byColumns).toBeGreaterThan(30);
}, 240_000);
