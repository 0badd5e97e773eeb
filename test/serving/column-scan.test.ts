import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { type AccessPath, bestPath, type Planner } from "../../serving-layer/access-path.ts";
import type { Cut } from "../../views/cut.ts";
import { count, defineApp, defineEvent, defineView, sum, Type, tumbling } from "../../views/index.ts";
import { recordsOf, ServedCut } from "./random/served-cut.ts";

const sold = defineEvent({
  name: "shop.item.sold",
  schema: Type.Object({ item: Type.String(), pieces: Type.Integer() }),
  key: (f) => f.item,
  partitions: 2,
});
const view = defineView({
  name: "items",
  from: sold,
  by: (f) => ({ item: f.item, hour: tumbling("1h") }),
  measures: (f) => ({ sales: count(), pieces: sum(f.pieces) }),
});
const app = defineApp({ name: "shop", views: [view] });

/** Item n is sold in hour n, n pieces of it: most of them at the end of the log. */
const items = 400;
const soldLines = (length: number) =>
  Array.from({ length }, (_, n) =>
    JSON.stringify({
      ...{ id: String(n), source: "/shop", type: sold.name, partitionkey: `item-${n}` },
      time: new Date(n * 3_600_000).toISOString(),
      data: { item: `item-${n}`, pieces: n },
    }),
  );
const lines = soldLines(items);
/** Those with the most pieces, given back: what the tail has of them takes them to the end of the order. */
const givenBack = 180;
const back = lines.slice(-givenBack).map((line, n) => {
  const event = JSON.parse(line);
  return JSON.stringify({ ...event, id: String(items + n), data: { ...event.data, pieces: -10_000 } });
});

let folder: string;
let duckdb: Duckdb;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-columns-"));
  duckdb = await Duckdb.open({ memoryLimit: "256MB", threads: 1, temporaryFolder: folder });
});
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const byColumns: Planner = (paths) => (paths.includes("columns") ? "columns" : bestPath(paths));

async function served(name: string, planner = byColumns, all = [...lines, ...back]): Promise<ServedCut> {
  const served = await ServedCut.open({
    ...{ app, files: new Map(), records: recordsOf(app.events, all) },
    ...{ folder: join(folder, name), connection: await duckdb.connect() },
    planner,
  });
  const cut = { [sold.name]: [items / 2, items / 2] } as unknown as Cut;
  await served.serve(cut, cut);
  return served;
}

async function topItems({ server }: ServedCut, parameters: Readonly<Record<string, string>> = {}) {
  const query = new URLSearchParams({ orderBy: "-pieces", measures: "pieces", limit: "3", ...parameters });
  const { statusCode, payload } = await server.inject(`/v1/views/items/rows?${query}`);
  expect(statusCode, payload).toBe(200);
  return JSON.parse(payload);
}

test("rows that the tail takes down from the top give way to those below, however many there are", async () => {
  await using cut = await served("top");
  const last = items - givenBack - 1;
  const { rows } = await topItems(cut);
  expect(rows.map(({ pieces }: { pieces: number }) => pieces)).toEqual([last, last - 1, last - 2]);
  const explained = { path: "columns", generation: { read: items } };
  expect((await topItems(cut, { limit: "2", explain: "true" })).explain).toMatchObject(explained);
  const { explain } = await topItems(cut, { limit: "2", explain: "true" });
  expect(explain, "kept").toMatchObject({ path: "columns", generation: { read: 0 } });
  // What is kept of the generation's states from query to query is never written to.
  expect((await topItems(cut, { measures: "pieces,sales" })).rows[0]).toMatchObject({
    pieces: last,
    sales: 1,
  });
  const { rows: lowest } = await topItems(cut, { orderBy: "pieces" });
  expect(lowest[0]).toMatchObject({ item: `item-${items - givenBack}`, pieces: items - givenBack - 10_000 });
});

test("where the generation's file is gone meanwhile, its index answers", async () => {
  await using cut = await served("gone");
  const before = await topItems(cut);
  await rm(join(folder, "gone", "generations", view.name, "g-1", "states.parquet"));
  expect((await topItems(cut, { limit: "4" })).rows.slice(0, 3)).toEqual(before.rows);
});

/** Of rows as stored, of groups, of all of them; few of the generation's and most of them. */
const questions: readonly Readonly<Record<string, string>>[] = [
  { limit: "1" },
  { limit: "30" },
  { limit: "300" },
  { orderBy: "pieces", limit: "20" },
  { orderBy: "pieces", limit: "5", groupBy: "item" },
  { groupBy: "hour", granularity: "1d", limit: "4" },
  { groupBy: "hour", granularity: "1d", limit: "100", totals: "true" },
  { groupBy: "item,hour", from: "1970-01-05T00:00:00Z", to: "1970-01-09T00:00:00Z" },
];

test("who asks again as the tail grows has the index's answer, and what the generation gave is not read again", async () => {
  let path: AccessPath = "columns";
  await using cut = await served("again", (paths) => (paths.includes(path) ? path : bestPath(paths)));
  const answers = async (by: AccessPath) => {
    path = by;
    const all = [];
    for (const question of questions) all.push(await topItems(cut, question));
    return all.map(({ rows, totals }) => ({ rows, totals }));
  };
  const at = (next: number) => ({ [sold.name]: [next, next] }) as unknown as Cut;
  const from = items / 2;
  const asked: number[] = [];
  for (const ahead of [0, 1, 5, 20, 60, from + givenBack]) {
    const before = cut.statements;
    cut.foldUpTo(at(Math.min(from + ahead, (items + givenBack) / 2)), at(from));
    expect(await answers("columns"), `${ahead} records ahead`).toEqual(await answers("index"));
    asked.push(cut.statements - before);
  }
  // Once each; then all groups of some, with the first of the tail; and more of two, when the first rows have all become others.
  expect(asked).toEqual([questions.length, 1, 0, 0, 0, 2]);
});

test("of more groups than are kept, both ends of an order are right whichever was asked for first", async () => {
  const many = soldLines(5_000).map((line, n) => line.replaceAll(`item-${n}"`, `item-${n % 2_500}"`));
  await using cut = await served("many", byColumns, many);
  const at = (next: number) => ({ [sold.name]: [next, next] }) as unknown as Cut;
  await cut.serve(at(2_450), at(2_450));
  const ends = [];
  for (const orderBy of ["-pieces", "pieces"]) {
    const { rows } = await topItems(cut, { orderBy, groupBy: "item", limit: "1" });
    ends.push(rows[0]);
  }
  expect(ends).toMatchObject([
    { item: "item-2499", pieces: 2_499 + 4_999 },
    { item: "item-0", pieces: 0 + 2_500 },
  ]);
});
