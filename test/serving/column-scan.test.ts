import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { bestPath } from "../../serving-layer/access-path.ts";
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
const lines = Array.from({ length: items }, (_, n) =>
  JSON.stringify({
    ...{ id: String(n), source: "/shop", type: sold.name, partitionkey: `item-${n}` },
    time: new Date(n * 3_600_000).toISOString(),
    data: { item: `item-${n}`, pieces: n },
  }),
);
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

async function served(name: string): Promise<ServedCut> {
  const served = await ServedCut.open({
    ...{ app, files: new Map(), records: recordsOf(app.events, [...lines, ...back]) },
    ...{ folder: join(folder, name), connection: await duckdb.connect() },
    planner: (paths) => (paths.includes("columns") ? "columns" : bestPath(paths)),
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
  expect((await topItems(cut, { explain: "true" })).explain.path).toBe("columns");
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
  expect((await topItems(cut)).rows).toEqual(before.rows);
});
