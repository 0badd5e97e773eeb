import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createClient } from "../../client/client.ts";
import { VersionPointers } from "../../infra/versions/version-pointers.ts";
import { systemClock } from "../../serving-layer/clock.ts";
import { offset } from "../../views/cut.ts";
import { count, defineApp, defineView, sum } from "../../views/index.ts";
import { measured } from "../serving/measured.ts";
import { type Serving, settled, startServing } from "../serving/serving.ts";

/** Version 2 counts double. */
const version = <const V extends number>(number: V) =>
  defineView({
    ...{ name: "totals" as const, version: number, from: measured },
    by: (f) => ({ site: f.site }),
    measures: (f) => ({ records: count(), total: sum(f.value.times(number)) }),
  });
const [first, second] = [version(1), version(2)];
const app = defineApp({ name: "test", views: [first, second] });

let root: string;
let pointers: VersionPointers;
let serving: Serving;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-client-"));
  pointers = await VersionPointers.open({
    ...{ root, families: ["totals"], watched: [], isAlone: true },
    onWatchError: (error) => {
      throw error;
    },
  });
  serving = startServing(app.views, systemClock, new Map(), {}, { pointers });
  const cut = { [measured.name]: [1, 0].map(offset) };
  for (const [view, total] of [
    [first, 5],
    [second, 10],
  ] as const) {
    serving.tail.put(view, [{ partition: 0, from: 1, next: 1, rows: [] }]);
    serving.generations.add(view, "g-1", cut, [{ dimensions: ["a"], pane: 0, cells: [1, total] }]);
    await serving.generations.point(view.name, "g-1");
  }
  await settled();
});
afterEach(async () => {
  await serving[Symbol.asyncDispose]();
  pointers[Symbol.dispose]();
  await rm(root, { recursive: true });
});

test("two versions are held against each other, flipped to and rolled back from", async () => {
  const url = await serving.server.listen({ host: "127.0.0.1", port: 0 });
  const client = createClient<typeof app>({ url });
  const total = async () => (await client.rows("totals", { measures: ["total"] })).rows[0]?.total;
  expect(await client.versions.diff("totals", { from: 1, to: 2, limit: 1 })).toMatchObject({
    rows: { added: 0, gone: 0, changed: 1, equal: 0 },
    differing: [{ kind: "changed", key: { site: "a" }, from: { total: 5 }, to: { total: 10 } }],
  });
  expect(await total()).toBe(5);
  expect(await client.versions.flip("totals", 2)).toEqual({ view: "totals", was: 1, active: 2, former: 1 });
  expect(await total()).toBe(10);
  expect((await client.rows("totals@2")).provenance.version).toBe(2);
  expect(await client.versions.rollback("totals")).toMatchObject({ was: 2, active: 1 });
  expect(await total()).toBe(5);
  await expect(client.versions.flip("totals", 3)).rejects.toMatchObject({ code: "TIDEMARK_VERSION_UNKNOWN" });
});
