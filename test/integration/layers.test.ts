import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tidemarkHere } from "../cli/here.ts";
import type { Answer } from "../fault/client.ts";
import { Platform } from "../fault/platform.ts";

const app = fileURLToPath(new URL("./layers-app.ts", import.meta.url));
const switched = fileURLToPath(new URL("./layers-switched-app.ts", import.meta.url));

let data: string;
let platform: Platform | undefined;
let sent = 0;

/** Visits of five places, and a ring of the bell with each tenth. */
const send = (count: number) => {
  const lines = Array.from({ length: count }, () => {
    const n = sent++;
    const envelope = { id: String(n), source: "test", time: new Date(n * 1_000).toISOString() };
    const data = { place: `p${n % 5}`, stay: n };
    const visit = JSON.stringify({ ...envelope, type: "test.place.visited", data });
    const bell = { ...envelope, type: "test.bell.rung", data: { place: data.place } };
    return n % 10 === 0 ? `${visit}\n${JSON.stringify(bell)}` : visit;
  });
  return platform?.ingest(lines.join("\n"));
};
/** The visits of each place among the first so many. */
const visits = (count: number) =>
  Array.from({ length: 5 }, (_, p) => ({ place: `p${p}`, visits: Math.ceil((count - p) / 5) }));

interface Answered {
  readonly rows: Answer["rows"];
  readonly layer: string;
}

async function answered(view: string): Promise<Answered> {
  const { rows, provenance } = await (platform as Platform).rows(view, { measures: "visits" });
  return { rows, layer: (provenance as unknown as Answered).layer };
}

async function here(...args: readonly string[]) {
  const { code, out, err } = await tidemarkHere(args);
  return { code, out: out + err };
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-layers-"));
});
afterAll(async () => {
  await platform?.stop();
  await rm(data, { recursive: true, force: true });
});

test("three views that mean the same are answered by both layers, by runs alone, by the fold alone; and so when they change places", async () => {
  platform = await Platform.start(data, app);
  await send(100);
  await platform.caughtUp("first");
  await expect(platform.get("/v1/views/second/rows")).rejects.toThrow("TIDEMARK_VIEW_BUILDING");
  const run = await platform.runIsDone(await platform.startRun());
  expect(run.result).toMatchObject({
    generations: [{ view: "first" }, { view: "second" }, { view: "bells" }],
  });
  await send(50);
  await platform.caughtUp("first");
  expect(await answered("first")).toEqual({ rows: visits(150), layer: "merged" });
  expect(await answered("second")).toEqual({ rows: visits(100), layer: "batch" });
  expect(await answered("third")).toEqual({ rows: visits(150), layer: "speed" });
  expect((await platform.rows("bells")).rows).toEqual([{ place: "p0", times: 10 }]);
  const inSql = `SELECT (SELECT sum(visits) FROM second) AS second, (SELECT sum(visits) FROM third) AS third`;
  expect(await platform.sql(inSql)).toMatchObject({
    rows: [{ second: 100, third: 150 }],
    provenance: { views: { second: { layer: "batch", lag: 50 }, third: { layer: "speed", lag: 0 } } },
  });
  await platform.stop();

  const verified = await here("verify", "--app", app, "--data", data);
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("tail of third") });
  expect(verified.out).not.toContain("generations of third");
  expect(verified.out).not.toContain("tail of second");
  expect(await readdir(join(data, "generations"))).not.toContain("third");
  // No generation there is to hold it against, but the same computed by SQL over what is archived.
  const replayed = await here("replay", "third", "--app", app, "--data", data, "--json");
  expect(JSON.parse(replayed.out)).toMatchObject({
    ...{ equal: true, generation: null, heldAgainstGeneration: null },
    heldAgainstSql: { keys: 5, differing: 0 },
  });

  platform = await Platform.start(data, switched);
  await send(20);
  await platform.caughtUp("third");
  await platform.caughtUp("second");
  // What generations there are stay what they are.
  expect(await answered("first")).toEqual({ rows: visits(100), layer: "batch" });
  expect(await answered("second")).toEqual({ rows: visits(170), layer: "speed" });
  expect(await answered("third")).toEqual({ rows: visits(170), layer: "merged" });
  await platform.runIsDone(await platform.startRun());
  expect(await answered("first")).toEqual({ rows: visits(170), layer: "batch" });
  const { reconciliation } = (
    await platform.get<{ generations: { reconciliation: unknown }[] }>("/v1/views/third")
  ).generations[0] ?? { reconciliation: undefined };
  expect(reconciliation).toMatchObject({ kind: "compared", against: null, keys: 5, differing: 0 });
  await platform.stop();
  expect(await here("verify", "--app", switched, "--data", data)).toMatchObject({ code: 0 });
});
