import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import flightsApp, { flight } from "../../examples/flights/app.ts";
import { flightsPath } from "../../examples/flights/flights.ts";
import webApp from "../../examples/web-analytics/app.ts";
import { traffic } from "../../examples/web-analytics/traffic.ts";
import { readDimensionFiles } from "../../infra/dimensions/dimension-file.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { type AccessPath, bestPath } from "../../serving-layer/access-path.ts";
import type { App } from "../../views/app.ts";
import { type Cut, type Offset, offset, offsetAt } from "../../views/cut.ts";
import { Random } from "../fault/random.ts";
import { type Asked, randomQuery, type Sample, urlOf, type Value } from "./random/asked.ts";
import { answerBySql, type Row } from "./random/oracle.ts";
import { type Records, recordsOf, ServedCut } from "./random/served-cut.ts";
import { flightSubjects, type Subject, webSubjects } from "./random/subjects.ts";

/** Another seed asks other questions. */
const seed = Number(process.env.TIDEMARK_TEST_SEED ?? 20010101);
const cutsPerApp = 3;
const queriesPerCut = 90;

let folder: string;
let duckdb: Duckdb;
let connection: DuckDBConnection;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-random-"));
  duckdb = await Duckdb.open({ memoryLimit: "1GB", threads: 1, temporaryFolder: join(folder, "spill") });
  connection = await duckdb.connect();
});
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** What has to be among the questions. */
const everything = [
  ...[
    "path point",
    "path ranges",
    "path index",
    "path columns",
    "layer merged",
    "layer batch",
    "layer speed",
    "pages",
    "totals",
  ],
  ...["fill zero", "fill null", "fill previous", "zones", "attributes", "ranges", "prefixes", "not", "nulls"],
];

/** How often each thing was asked for and answered. */
const asked = new Map<string, number>();
const note = (what: string) => asked.set(what, (asked.get(what) ?? 0) + 1);

/** Some of ten days; on the sixth clocks in America are put forward. */
async function flightLines(): Promise<readonly string[]> {
  const reader = await connection.runAndReadAll(
    `SELECT file_row_number AS id, epoch_ms(date), origin, destination, delay, distance
     FROM read_parquet('${flightsPath}', file_row_number = true)
     WHERE date >= '2001-03-27' AND date < '2001-04-06' AND file_row_number % 41 = 0
     ORDER BY date + to_minutes(greatest(delay, 0)), id`,
  );
  return reader.getRows().map(([id, time, origin, destination, delay, distance]) =>
    JSON.stringify({
      ...{
        id: String(id),
        source: "/flights",
        type: flight.name,
        time: new Date(Number(time)).toISOString(),
      },
      data: { origin, destination, delay: Number(delay), distance: Number(distance) },
    }),
  );
}

function trafficLines(): readonly string[] {
  const pieces = [...traffic({ seed: 1, events: 3_000 })].map(({ bytes }) => bytes);
  return Buffer.concat(pieces).toString().trimEnd().split("\n");
}

/** The same for SQL: the lines as they were sent, each with its place in the log. */
async function readLines(lines: readonly string[], sql: string): Promise<void> {
  const path = join(folder, "lines.ndjson");
  await writeFile(path, `${lines.join("\n")}\n`);
  await connection.run(`
    CREATE OR REPLACE TEMP TABLE records AS
    SELECT
      *, id::BIGINT % 4 AS partition,
      row_number() OVER (PARTITION BY type, id::BIGINT % 4 ORDER BY line) - 1 AS place,
      row_number() OVER (PARTITION BY id ORDER BY line) > 1 AS isDuplicate
    FROM (${sql.replace("$path", `'${path}'`)})`);
}

const flightRecords = `
  SELECT row_number() OVER () AS line, id, type, epoch_ms(time::TIMESTAMPTZ) AS timeMs, unnest(data)
  FROM read_json($path, format = 'newline_delimited', columns = {
    id: 'VARCHAR', type: 'VARCHAR', time: 'VARCHAR',
    data: 'STRUCT(origin VARCHAR, destination VARCHAR, delay BIGINT, distance BIGINT)'
  })`;

const webRecords = `
  SELECT
    *, lower(regexp_extract(url, '^https://([^/:?#]*)', 1)) AS host,
    coalesce(nullif(regexp_extract(url, '^https://[^/?#]*([^?#]*)', 1), ''), '/') AS path
  FROM (
    SELECT row_number() OVER () AS line, id, type, epoch_ms(time::TIMESTAMPTZ) AS timeMs, unnest(data)
    FROM read_json($path, format = 'newline_delimited', columns = {
      id: 'VARCHAR', type: 'VARCHAR', time: 'VARCHAR', data: 'STRUCT(
        url VARCHAR, visitor VARCHAR, agent VARCHAR, referrer VARCHAR, loadMs BIGINT, campaign VARCHAR, cents BIGINT
      )'
    })
  )`;

/** Anywhere in each partition; now and then at its begin or its end. */
function randomCut(random: Random, records: Records, above: Cut = {}): Cut {
  return Object.fromEntries(
    [...records].map(([{ name, partitions }, all]): [string, readonly Offset[]] => [
      name,
      Array.from({ length: partitions }, (_, partition) => {
        const least = offsetAt(above, name, partition);
        const most = all.filter((each) => each.partition === partition).length;
        return offset(random.chance(0.1) ? most : random.whole(least, most + 1));
      }),
    ]),
  );
}

/** The subjects' relations over what each layer has: `<view>_<layer>`. */
async function cutRecords(cut: Cut, subjects: readonly Subject[]): Promise<void> {
  const rows = Object.entries(cut).flatMap(([topic, nexts]) =>
    nexts.map((next, partition) => `('${topic}', ${partition}, ${next})`),
  );
  const covered = `SELECT records.* FROM records JOIN (VALUES ${rows.join(", ")}) AS cut (topic, part, next)
    ON topic = type AND part = partition WHERE NOT isDuplicate`;
  const records = {
    merged: "SELECT * FROM records WHERE NOT isDuplicate",
    batch: `${covered} AND place < next`,
    speed: `${covered} AND place >= next`,
  };
  for (const [layer, sql] of Object.entries(records)) {
    for (const { view, relation } of subjects) {
      await connection.run(
        `CREATE OR REPLACE TEMP TABLE ${relationName(view, layer)} AS ${relation(`(${sql})`)}`,
      );
    }
  }
}

const relationName = (view: string, layer: string) => `"${view}_${layer}"`;

async function sampleOf({ relation, dimensions, attributes, window }: Subject): Promise<Sample> {
  const values = new Map<string, readonly Value[]>();
  const all = `(${relation("records")})`;
  for (const { name } of [...dimensions, ...attributes]) {
    const reader = await connection.runAndReadAll(
      `SELECT "${name}" FROM ${all} WHERE "${name}" IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 40`,
    );
    values.set(
      name,
      reader.getRows().map(([value]) => (typeof value === "bigint" ? Number(value) : value)) as Value[],
    );
  }
  if (window === undefined) return { values, firstMs: 0, nextMs: 0 };
  const [[firstMs, lastMs] = []] = (
    await connection.runAndReadAll(`SELECT min(startMs), max(startMs) FROM ${all}`)
  ).getRows();
  return { values, firstMs: Number(firstMs), nextMs: Number(lastMs) + window.paneMs };
}

/** Every path by which the planner can answer it, as it says itself. */
async function pathsOf({ server }: ServedCut, query: Asked): Promise<readonly AccessPath[]> {
  const response = await server.inject(urlOf({ ...query, limit: 1 }, { explain: "true" }));
  const { explain } = response.json();
  return [explain.path, ...explain.instead];
}

/** Rows of up to three pages, one cursor after the other; all at once without a limit. */
async function askRows({ server }: ServedCut, query: Asked) {
  const rows: Row[] = [];
  let totals: Row | undefined;
  let cursor: string | null = null;
  for (let page = 0; page < 3; page++) {
    const url = urlOf(query, cursor === null ? {} : { cursor });
    const { statusCode, payload }: { statusCode: number; payload: string } = await server.inject(url);
    if (statusCode !== 200) throw new Error(payload);
    const body: { rows: Row[]; totals?: Row; cursor: string | null } = JSON.parse(payload);
    rows.push(...body.rows);
    totals ??= body.totals;
    cursor = body.cursor;
    if (cursor === null || query.limit === undefined) break;
  }
  return { rows, totals };
}

/** Equal, but for measures that are approximate: those within what they may be off by. */
function expectSame(query: Asked, found: readonly Row[], wanted: readonly Row[]): void {
  if (isDeepStrictEqual(found, wanted)) return;
  const abouts = query.subject.measures.filter(({ about }) => about !== undefined);
  expect(found.map((row) => without(row, abouts))).toEqual(wanted.map((row) => without(row, abouts)));
  for (const [i, row] of found.entries()) {
    for (const { name, about = 0 } of abouts) {
      const [value, exact] = [row[name], wanted[i]?.[name]];
      if (value === undefined || exact === undefined) expect(value).toBe(exact);
      else if (value === null || exact === null) expect(value).toBe(exact);
      else expect(Math.abs(Number(value) - Number(exact))).toBeLessThanOrEqual(about * Number(exact) + 1e-9);
    }
  }
}

function without(row: Row, left: readonly { readonly name: string }[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !left.some((each) => each.name === name)));
}

async function holdQueries(app: App, subjects: readonly Subject[], records: Records): Promise<void> {
  const random = new Random(seed);
  const files = await readDimensionFiles(app, folder);
  const samples = new Map<Subject, Sample>();
  for (const subject of subjects) samples.set(subject, await sampleOf(subject));
  let forced: AccessPath | undefined;
  await using served = await ServedCut.open({
    // One of its own: there too is a table of records.
    ...{ app, files, records, connection: await duckdb.connect(), folder: join(folder, app.name) },
    planner: (paths) => (forced !== undefined && paths.includes(forced) ? forced : bestPath(paths)),
  });
  for (let round = 0; round < cutsPerApp; round++) {
    const cut = randomCut(random, records);
    await served.serve(cut, randomCut(random, records, cut));
    await cutRecords(cut, subjects);
    for (let i = 0; i < queriesPerCut; i++) {
      const subject = subjects[i % subjects.length] as Subject;
      const query = randomQuery(random, subject, samples.get(subject) as Sample);
      try {
        const wanted = await answerBySql(connection, query, relationName(subject.view, query.layer));
        forced = undefined;
        for (const path of await pathsOf(served, query)) {
          forced = path;
          const { rows, totals } = await askRows(served, query);
          expectSame(query, rows, wanted.rows);
          if (wanted.totals !== undefined)
            expectSame(query, [totals as Row], [pick(wanted.totals, query.measures)]);
          note(`path ${path}`);
        }
        noteQuery(query, wanted.rows.length);
      } catch (error) {
        throw new Error(
          `seed ${seed}, query ${i} at cut ${round} (${JSON.stringify(cut)}), by path ${forced}: ${urlOf(query)}`,
          { cause: error },
        );
      }
    }
  }
}

function pick(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, row[name] ?? null]));
}

function noteQuery({ filters, fill, tz, layer, limit, totals, subject }: Asked, rows: number): void {
  note("queries");
  if (rows > 0) note("queries with rows");
  if (fill !== undefined) note(`fill ${fill}`);
  if (tz !== undefined) note("zones");
  if (limit !== undefined) note("pages");
  if (totals) note("totals");
  if (filters.some(({ column }) => subject.attributes.includes(column))) note("attributes");
  if (filters.some(({ from, to }) => from !== undefined || to !== undefined)) note("ranges");
  if (filters.some(({ prefixes }) => prefixes.length > 0)) note("prefixes");
  if (filters.some(({ not }) => not.length > 0)) note("not");
  if (filters.some(({ values, not }) => values.includes(null) || not.includes(null))) note("nulls");
  note(`layer ${layer}`);
}

test("random queries of flights answer what SQL over the records does, at random cuts, by every path", async () => {
  const lines = await flightLines();
  await readLines(lines, flightRecords);
  await connection.run(
    `CREATE TEMP TABLE airports AS SELECT iata, city, state, country
     FROM read_csv('${flightsPath.replace("flights-3m.parquet", "airports.csv")}', all_varchar = true)`,
  );
  await holdQueries(flightsApp, flightSubjects, recordsOf(flightsApp.events, lines));
}, 300_000);

test("random queries of web analytics answer what SQL over the records does, at random cuts, by every path", async () => {
  const lines = trafficLines();
  await readLines(lines, webRecords);
  await holdQueries(webApp, webSubjects, recordsOf(webApp.events, lines));
}, 300_000);

test("they were five hundred and more, and asked for everything that there is", () => {
  expect(asked.get("queries")).toBeGreaterThanOrEqual(500);
  expect(asked.get("queries with rows")).toBeGreaterThanOrEqual(400);
  const rare = [...everything].filter((what) => (asked.get(what) ?? 0) < 5);
  expect(rare, JSON.stringify([...asked])).toEqual([]);
});
