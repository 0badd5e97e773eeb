import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { VersionPointers } from "../../infra/versions/version-pointers.ts";
import { systemClock } from "../../serving-layer/clock.ts";
import type { Cut } from "../../views/cut.ts";
import { count, defineEvent, defineView, mean, sliding, sum, Type, tumbling } from "../../views/index.ts";
import type { Cell, StateRow } from "../../views/state.ts";
import type { View } from "../../views/view.ts";
import { Random } from "../fault/random.ts";
import { hour, measured } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const first = defineView({
  ...{ name: "totals", from: measured },
  by: (f) => ({ site: f.site, hour: tumbling("1h") }),
  measures: (f) => ({ records: count(), total: sum(f.value), average: mean(f.value), most: count() }),
});
/** `60m` is as long as `1h`. */
const second = defineView({
  ...{ name: "totals", version: 2, from: measured },
  by: (f) => ({ site: f.site, hour: tumbling("60m") }),
  measures: (f) => ({ total: sum(f.value), records: count(), average: mean(f.value), least: count() }),
});
const weight = defineEvent({
  name: "test.machine.weighed",
  schema: Type.Object({ site: Type.String(), weight: Type.Number() }),
  partitions: 2,
});
const cutAt = (next: number) => ({ [measured.name]: [next, 0] }) as unknown as Cut;
const at = (site: string, pane: number, ...cells: readonly Cell[]): StateRow => ({
  dimensions: [site],
  pane,
  cells: [...cells],
});
/** Of version 1 and of version 2: so many records, their total. */
const of1 = (site: string, pane: number, records: number, total: number | bigint | null): StateRow =>
  at(site, pane, records, total, Number(total ?? 0), records, records);
const of2 = (site: string, pane: number, records: number, total: number | bigint | null): StateRow =>
  at(site, pane, total, records, Number(total ?? 0), records, records);

let folder: string;
let serving: Serving;
let pointers: VersionPointers | undefined;

async function start(...views: readonly View[]): Promise<void> {
  pointers = await VersionPointers.open({
    ...{ root: folder, families: ["totals"], watched: [], isAlone: true },
    onWatchError: () => undefined,
  });
  serving = startServing(views, systemClock, new Map(), {}, { pointers });
  await settled();
}

async function publish(
  view: View,
  id: string,
  next: number,
  rows: readonly StateRow[],
  createdAt = "2001-01-01T00:00:00.000Z",
) {
  serving.generations.add(view, id, cutAt(next), rows, { createdAt });
  await serving.generations.point(view.name, id);
  await settled();
}

const diff = (search = "", name = "totals") => serving.get(`/v1/views/${name}/diff?${search}`);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-diff-"));
});
afterEach(async () => {
  await serving[Symbol.asyncDispose]();
  pointers?.[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
});

test("rows are told apart as added, gone, changed and equal, and what changed by how much and where", async () => {
  await start(first, second);
  await publish(first, "g-1", 9, [
    of1("a", 0, 2, 10),
    of1("a", hour, 1, 5),
    of1("b", 0, 1, 0),
    of1("c", 0, 3, 7),
  ]);
  await publish(second, "g-2", 9, [
    of2("a", 0, 2, 10),
    of2("a", hour, 1, 15),
    of2("b", 0, 1, 30),
    of2("d", 0, 1, 1),
  ]);
  const { status, body } = await diff();
  expect(status).toBe(200);
  expect(body).toMatchObject({
    view: "totals",
    from: { version: 1, view: "totals@1", generation: "g-1", rows: 4 },
    to: { version: 2, view: "totals@2", generation: "g-2", rows: 4 },
    cut: `${measured.name}@0:9,1:0`,
    rows: { added: 1, gone: 1, changed: 2, equal: 1 },
    onlyFrom: ["most"],
    onlyTo: ["least"],
  });
  const hourOf = (pane: number) => new Date(pane).toISOString();
  const b = { key: { site: "b", hour: hourOf(0) }, from: 0, to: 30 };
  const a = { key: { site: "a", hour: hourOf(hour) }, from: 5, to: 15 };
  expect(body.measures).toEqual([
    { name: "records", differing: 0, largest: null, largestRelative: null },
    {
      name: "total",
      differing: 2,
      largest: { difference: 30, ...b },
      largestRelative: { difference: 2, ...a },
    },
    {
      name: "average",
      differing: 2,
      largest: { difference: 30, ...b },
      largestRelative: { difference: 2, ...a },
    },
  ]);
  expect(body.differing).toEqual([
    {
      ...{ kind: "changed", key: a.key },
      from: { records: 1, total: 5, average: 5, most: 1 },
      to: { total: 15, records: 1, average: 15, least: 1 },
    },
    {
      ...{ kind: "changed", key: b.key },
      from: { records: 1, total: 0, average: 0, most: 1 },
      to: { total: 30, records: 1, average: 30, least: 1 },
    },
    {
      kind: "gone",
      key: { site: "c", hour: hourOf(0) },
      from: { records: 3, total: 7, average: 7 / 3, most: 3 },
      to: null,
    },
    {
      kind: "added",
      key: { site: "d", hour: hourOf(0) },
      from: null,
      to: { total: 1, records: 1, average: 1, least: 1 },
    },
  ]);
  const limited = (await diff("limit=1")).body;
  expect([limited.differing.length, limited.rows]).toEqual([1, body.rows]);
});

test("whole numbers beyond 2^53 are subtracted exactly, and nothing differs from a number by a number", async () => {
  await start(first, second);
  const large = 2n ** 60n;
  await publish(first, "g-1", 9, [of1("a", 0, 1, large), of1("b", 0, 1, null), of1("c", 0, 1, large)]);
  await publish(second, "g-2", 9, [of2("a", 0, 1, large + 1n), of2("b", 0, 1, 4), of2("c", 0, 1, large)]);
  const { body } = await diff();
  const total = body.measures.find(({ name }: { name: string }) => name === "total");
  expect(body.rows).toEqual({ added: 0, gone: 0, changed: 2, equal: 1 });
  expect(total).toMatchObject({
    differing: 2,
    largest: { difference: 1, from: String(large), to: String(large + 1n) },
  });
});

test("floats that differ in the order of adding alone are equal", async () => {
  const weighed = (version: number) =>
    defineView({
      ...{ name: "totals", version, from: weight },
      by: (f) => ({ site: f.site }),
      measures: (f) => ({ weight: sum(f.weight) }),
    });
  const [one, two] = [weighed(1), weighed(2)];
  await start(one, two);
  await publish(one, "g-1", 9, [at("a", 0, 0.1 + 0.2), at("b", 0, 3), at("c", 0, 0)]);
  await publish(two, "g-2", 9, [at("a", 0, 0.3), at("b", 0, 3 + 1e-13), at("c", 0, 1e-13)]);
  expect((await diff()).body).toMatchObject({
    rows: { changed: 1, equal: 2 },
    differing: [{ key: { site: "c" }, from: { weight: 0 }, to: { weight: 1e-13 } }],
  });
  await publish(
    two,
    "g-3",
    9,
    [at("a", 0, 0.3), at("b", 0, 3.00001), at("c", 0, 0)],
    "2001-01-02T00:00:00.000Z",
  );
  expect((await diff()).body).toMatchObject({ rows: { changed: 1 }, differing: [{ key: { site: "b" } }] });
});

test("the newest pair of one cut is compared, whatever is kept besides", async () => {
  await start(first, second);
  await publish(first, "g-1", 5, [of1("a", 0, 1, 1)]);
  expect(await diff()).toMatchObject({ status: 503, body: { code: "TIDEMARK_VIEW_BUILDING" } });
  await publish(second, "g-2", 9, [of2("a", 0, 2, 2)]);
  expect(await diff()).toMatchObject({
    status: 409,
    body: {
      code: "TIDEMARK_VERSION_NO_COMMON_CUT",
      detail: expect.stringContaining("the next batch run makes one of each"),
    },
  });
  await publish(second, "g-0", 5, [of2("a", 0, 1, 1)], "2000-12-31T00:00:00.000Z");
  expect((await diff()).body).toMatchObject({
    from: { generation: "g-1" },
    to: { generation: "g-0" },
    rows: { equal: 1 },
  });
});

test("versions of other dimensions or another window can't be compared", async () => {
  const other = defineView({
    ...{ name: "totals", version: 2, from: measured },
    by: (f) => ({ place: f.site, hour: tumbling("1h") }),
    measures: () => ({ records: count() }),
  });
  const daily = defineView({
    ...{ name: "totals", version: 3, from: measured },
    by: (f) => ({ site: f.site, hour: tumbling("1d") }),
    measures: () => ({ records: count() }),
  });
  await start(first, other, daily);
  await publish(first, "g-1", 5, []);
  await publish(other, "g-2", 5, []);
  await publish(daily, "g-3", 5, []);
  expect(await diff("to=2")).toMatchObject({
    status: 409,
    body: {
      code: "TIDEMARK_VERSION_INCOMPARABLE",
      detail: `versions 1 and 2 of view "totals" can't be compared row by row: their dimensions differ, site (string) and place (string)`,
    },
  });
  expect((await diff("to=3")).body.detail).toContain(
    "their windows differ, hour (tumbling 1h) and hour (tumbling 1d)",
  );
  expect((await diff("from=2&to=2")).body.detail).toContain("they are one and the same");
});

test("what is not said is taken from the active version to the newest, and unknown versions are refused", async () => {
  const third = defineView({
    ...{ name: "totals", version: 3, from: measured },
    by: (f) => ({ site: f.site, hour: tumbling("1h") }),
    measures: () => ({ records: count() }),
  });
  await start(first, second, third);
  for (const [i, view] of [first, second, third].entries()) await publish(view, `g-${i}`, 5, []);
  const compared = async (search: string) => {
    const { from, to } = (await diff(search)).body;
    return [from.version, to.version];
  };
  expect([
    await compared(""),
    await compared("to=2"),
    await compared("from=3"),
    await compared("to=1"),
  ]).toEqual([
    ...[
      [1, 3],
      [1, 2],
      [3, 2],
    ],
    [3, 1],
  ]);
  await pointers?.move("totals", () => ({ active: 3, former: 1 }));
  expect([await compared(""), await compared("from=1"), await compared("from=2&to=1")]).toEqual([
    ...[
      [2, 3],
      [1, 3],
    ],
    [2, 1],
  ]);
  expect((await diff("to=4")).body).toMatchObject({ status: 404, code: "TIDEMARK_VERSION_UNKNOWN" });
  expect((await diff("to=two")).body.code).toBe("TIDEMARK_QUERY_PARAMETER");
  expect((await diff("against=2")).body.code).toBe("TIDEMARK_QUERY_PARAMETER_UNKNOWN");
});

test("a view of one version has nothing to be held against", async () => {
  await start(first);
  await publish(first, "g-1", 5, []);
  expect((await diff()).body).toMatchObject({ status: 404, code: "TIDEMARK_VERSION_UNKNOWN" });
});

test("windows that overlap are compared as they are shown", async () => {
  const wide = (version: number) =>
    defineView({
      ...{ name: "totals", version, from: measured },
      by: (f) => ({ site: f.site, hour: sliding("2h", { every: "1h" }) }),
      measures: () => ({ records: count() }),
    });
  const [one, two] = [wide(1), wide(2)];
  await start(one, two);
  await publish(one, "g-1", 5, [at("a", 0, 1), at("b", 0, 1)]);
  await publish(two, "g-2", 5, [at("a", 0, 3), at("b", 0, 1)]);
  expect((await diff()).body).toMatchObject({
    rows: { added: 0, gone: 0, changed: 2, equal: 2 },
    measures: [{ name: "records", differing: 2, largest: { difference: 2, from: 1, to: 3 } }],
  });
});

test("of any two generations it counts what a comparison by hand counts", async () => {
  const random = new Random(7);
  await start(first, second);
  for (let round = 0; round < 20; round++) {
    const keys = Array.from({ length: 60 }, (_, i) => [`s${i % 7}`, hour * Math.floor(i / 7)] as const);
    const some = () =>
      new Map(keys.filter(() => random.chance(0.7)).map(([s, p]) => [`${s} ${p}`, random.whole(0, 3)]));
    const [older, newer] = [some(), some()];
    const next = 10 + round;
    const createdAt = new Date(Date.UTC(2002, 0, 1 + round)).toISOString();
    const rowsOf = (of: typeof of1, values: ReadonlyMap<string, number>) =>
      [...values].map(([key, total]) => {
        const [site = "", pane] = key.split(" ");
        return of(site, Number(pane), 1, total);
      });
    await publish(first, `g-1-${round}`, next, rowsOf(of1, older), createdAt);
    await publish(second, `g-2-${round}`, next, rowsOf(of2, newer), createdAt);
    const shared = [...older].filter(([key]) => newer.has(key));
    const changed = shared.filter(([key, total]) => newer.get(key) !== total);
    const { body } = await diff("limit=10000");
    expect(body.rows, `round ${round}`).toEqual({
      added: [...newer.keys()].filter((key) => !older.has(key)).length,
      gone: [...older.keys()].filter((key) => !newer.has(key)).length,
      ...{ changed: changed.length, equal: shared.length - changed.length },
    });
    const largest = Math.max(0, ...changed.map(([key, total]) => Math.abs((newer.get(key) ?? 0) - total)));
    const total = body.measures.find(({ name }: { name: string }) => name === "total");
    expect([total.differing, Math.abs(total.largest?.difference ?? 0)]).toEqual([changed.length, largest]);
    expect(body.differing).toHaveLength(body.rows.added + body.rows.gone + body.rows.changed);
  }
});
