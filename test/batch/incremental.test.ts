import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type WayParts, wayOf } from "../../batch-layer/base.ts";
import type { Manifest } from "../../infra/generations/generations.ts";
import { partsOf } from "../../infra/generations/state-parts.ts";
import { dependsOnOrder } from "../../views/exact-merge.ts";
import {
  count,
  countDistinct,
  defineApp,
  defineEvent,
  defineView,
  distinct,
  each,
  earliest,
  histogram,
  latest,
  max,
  mean,
  min,
  quantile,
  session,
  sliding,
  source,
  stddev,
  sum,
  Type,
  tumbling,
  type View,
} from "../../views/index.ts";
import { DuckdbHere } from "../duckdb-here.ts";
import { Random } from "../fault/random.ts";
import { instances, sample } from "../laws/aggregate-instances.ts";
import { type RunOptions, Sequence } from "./sequence.ts";

const sale = defineEvent({
  name: "test.sale.made",
  schema: Type.Object({
    shop: Type.String(),
    cents: Type.Integer(),
    weight: Type.Optional(Type.Number()),
    isGift: Type.Optional(Type.Boolean()),
    items: Type.Array(Type.Object({ sku: Type.String() })),
  }),
  partitions: 2,
});
const refund = defineEvent({
  name: "test.sale.refunded",
  schema: Type.Object({ shop: Type.String(), cents: Type.Integer() }),
});

let here: DuckdbHere;

beforeAll(async () => {
  here = await DuckdbHere.open();
});
afterAll(() => here[Symbol.asyncDispose]());

/** Of every kind of window, key, mapping and state. */
const views: readonly View[] = [
  defineView({
    name: "by-shop-and-hour",
    from: sale,
    by: (f) => ({ shop: f.shop, hour: tumbling("1h") }),
    measures: (f) => ({
      sales: count(),
      cents: sum(f.cents),
      mean: mean(f.cents, { where: f.isGift.eq(true) }),
      weight: sum(f.weight, { scale: 3 }),
      heaviest: max(f.weight),
      last: latest(f.cents),
      first: earliest(f.shop),
    }),
  }),
  defineView({
    name: "in-all",
    from: sale,
    by: () => ({}),
    measures: (f) => ({
      cents: sum(f.cents),
      shops: distinct(f.shop, { upTo: 2 }),
      deviation: stddev(f.cents),
    }),
  }),
  defineView({
    name: "by-gift",
    from: sale,
    by: (f) => ({ isGift: f.isGift, third: f.cents.minus(f.cents.remainder(3)) }),
    measures: (f) => ({
      shops: countDistinct(f.shop),
      first: min(f.shop),
      cents: histogram(f.cents, { edges: [0, 5] }),
    }),
  }),
  defineView({
    name: "sketches",
    from: sale,
    by: (f) => ({ shop: f.shop, day: tumbling("1d", { tz: "America/Chicago" }) }),
    measures: (f) => ({
      median: quantile(f.cents, 0.5),
      heavy: quantile(f.weight, 0.9),
      shops: countDistinct(f.shop),
      cents: distinct(f.cents, { upTo: 5 }),
    }),
  }),
  defineView({
    name: "sliding",
    from: sale,
    by: (f) => ({ shop: f.shop, hours: sliding("3h", { every: "1h" }) }),
    measures: (f) => ({ sales: count(), most: max(f.cents) }),
  }),
  defineView({
    name: "visits",
    from: sale,
    by: (f) => ({ shop: f.shop, visit: session("40m") }),
    measures: (f) => ({
      sales: count(),
      cents: sum(f.cents),
      shops: countDistinct(f.shop),
      last: latest(f.cents),
    }),
    sessions: (s) => ({ single: count({ where: s.sales.eq(1) }) }),
  }),
  defineView({
    name: "items",
    from: each(sale, (f) => f.items),
    by: (f) => ({ sku: f.item.sku, hour: tumbling("1h") }),
    measures: (f) => ({ sold: count(), in: latest(f.shop) }),
  }),
  defineView({
    name: "turnover",
    from: [
      source(sale, {
        by: (f) => ({ shop: f.shop, hour: tumbling("1h") }),
        measures: (f) => ({ sold: sum(f.cents), last: latest(f.cents) }),
      }),
      source(refund, {
        by: (f) => ({ shop: f.shop, hour: tumbling("1h") }),
        measures: (f) => ({ refunds: count(), last: latest(f.cents) }),
      }),
    ],
  }),
];

const hourMs = 3_600_000;
const shops = ["a", "b", "", "é", "😀", "long".repeat(700), `${"long".repeat(700)}er`];

/** Mostly around the hour that it is in the sequence, some of long ago. */
function facts(random: Random, nowHours: number, most: number) {
  return Array.from({ length: random.whole(1, most) }, () => {
    const late = random.chance(0.1) ? random.whole(0, 300) : random.next() * 3;
    return {
      time: Math.floor((nowHours - late) * hourMs),
      isDuplicate: random.chance(0.1),
      data: {
        shop: shops[random.whole(0, random.chance(0.05) ? shops.length : 4)],
        cents: random.chance(0.05) ? Number.MAX_SAFE_INTEGER - random.whole(0, 3) : random.whole(-5, 12),
        items: Array.from({ length: random.whole(0, 4) }, () => ({ sku: `s${random.whole(0, 4)}` })),
        ...(random.chance(0.5) ? { weight: random.whole(-9_000, 9_000) / 1_000 } : {}),
        ...(random.chance(0.5) ? { isGift: random.chance(0.5) } : {}),
      },
    };
  });
}

const partSizes = [1, 4, 32_768];
const begun = new Map<string, Promise<Sequence>>();

/** A view's first generation, of some events; sequences go on from copies of it. */
function begin(view: View, partRows: number): Promise<Sequence> {
  const name = `${view.name}-${partRows}`;
  const known = begun.get(name);
  if (known !== undefined) return known;
  const made = (async () => {
    const sequence = await Sequence.open(view, join(here.root, name), here.duckdb, partRows);
    const random = new Random(partRows);
    for (const { event } of view.mappings) {
      for (let p = 0; p < event.partitions; p++) await sequence.ingest(event, p, facts(random, 0, 20));
    }
    await sequence.run();
    return sequence;
  })();
  begun.set(name, made);
  return made;
}

/** Ingest, runs, compactions, rollbacks and crashes as the seed has it; every generation is held against all records. */
async function play(seed: number): Promise<{ readonly runs: number; readonly incremental: number }> {
  const random = new Random(seed);
  const view = views[seed % views.length] as View;
  const folder = join(here.root, `${seed}`);
  const sequence = await (await begin(view, partSizes[random.whole(0, 3)] ?? 1)).copy(folder);
  let [runs, incremental, nowHours] = [0, 0, random.whole(-3, 70)];
  const steps = random.chance(0.25) ? 2 : 1;
  for (let step = 0; step < steps; step++) {
    const { event } = view.mappings[random.whole(0, view.mappings.length)] as View["mappings"][number];
    if (random.chance(0.9))
      await sequence.ingest(event, random.whole(0, event.partitions), facts(random, nowHours, 25));
    nowHours += random.whole(0, 70);
    if (random.chance(0.3)) await sequence.compact();
    if (random.chance(0.15)) await sequence.rollback(random.whole(0, 3));
    if (random.chance(0.3)) {
      const crash = random.chance(0.5) ? "before publishing" : "before pointing";
      expect(await sequence.run({ crash })).toBeUndefined();
    }
    const result = await sequence.run({ full: random.chance(0.1), behind: random.whole(0, 4) });
    const manifest = await sequence.current();
    if (manifest === undefined) throw new Error("no generation serves");
    const { index, files, full, records } = await sequence.rows(manifest);
    expect(index).toEqual(full);
    expect(files).toEqual(full);
    const panes = full.map(([, pane]) => pane);
    expect(manifest).toMatchObject({
      ...{ rows: full.length, records, reconciliation: { kind: "compared", differing: 0 } },
      panes: full.length === 0 ? null : { first: Math.min(...panes), last: Math.max(...panes) },
    });
    runs++;
    if (result?.generations[0]?.base !== null) incremental++;
  }
  await rm(folder, { recursive: true });
  return { runs, incremental };
}

test("a generation that goes on from another is the one that all records give, bit for bit, over 200 random sequences", async () => {
  let [runs, incremental] = [0, 0];
  for (let seed = 0; seed < 200; seed++) {
    const played = await play(seed).catch((error) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
    runs += played.runs;
    incremental += played.incremental;
  }
  expect(runs).toBeGreaterThan(225);
  expect(incremental).toBeGreaterThan(0.8 * runs);
}, 240_000);

const sales = (hour: number, ...shops: string[]) =>
  shops.map((shop) => ({
    time: hour * hourMs,
    isDuplicate: false,
    data: { shop, cents: 1, items: [] },
  }));

describe("a run after another", () => {
  let sequence: Sequence;
  let folders = 0;
  const [view] = views as [View];
  const run = async (options?: RunOptions) => (await sequence.run(options))?.generations[0];
  const pathsOf = (manifest: Manifest) =>
    partsOf(manifest).map(({ file }) => join(sequence.folderOf(manifest), file));
  const current = async () => {
    const manifest = await sequence.current();
    if (manifest === undefined) throw new Error("no generation serves");
    return manifest;
  };

  beforeEach(async () => {
    sequence = await Sequence.open(view, join(here.root, `after-${++folders}`), here.duckdb, 4);
    await sequence.ingest(sale, 0, Array.from({ length: 10 }, (_, hour) => sales(hour, "a", "b")).flat());
    await run();
  });

  test("goes on from it, and says so, also where nothing has come since", async () => {
    const first = await current();
    expect(first).toMatchObject({ inFull: "there is no generation of this declaration", rows: 20 });
    for (let i = 0; i < 2; i++) {
      const base = (await current()).id;
      expect(await run()).toMatchObject({ base, inFull: null, rows: 20, differing: 0 });
    }
    expect((await current()).base).toEqual({ id: expect.any(String), fullAt: first.createdAt });
  });

  test("shares the files of states that nothing new lies in", async () => {
    const before = pathsOf(await current());
    expect(before.length).toBeGreaterThan(2);
    await sequence.ingest(sale, 0, sales(9, "c"));
    await run();
    const after = pathsOf(await current());
    const inodes = (paths: readonly string[]) =>
      Promise.all(paths.map(async (path) => (await stat(path)).ino));
    const [was, is] = [await inodes(before), await inodes(after)];
    expect(is.slice(0, -1)).toEqual(was.slice(0, -1));
    expect(is.at(-1)).not.toBe(was.at(-1));
  });

  test("computes everything where it is asked for, and where it is a check", async () => {
    expect(await run({ full: true })).toMatchObject({ base: null, inFull: "it was asked for" });
    await sequence.ingest(sale, 0, sales(3, "a"));
    const checked = await sequence.run({ kind: "check" });
    const { reconciliation } = checked?.reconciliations[0] ?? {};
    expect(reconciliation).toMatchObject({ kind: "compared", keys: 20, differing: 0 });
  });

  test("computes everything where the base has lost a file, or its index is none", async () => {
    await rm(pathsOf(await current())[0] ?? "");
    await sequence.ingest(sale, 0, sales(0, "a"));
    expect(await run()).toMatchObject({ base: null, inFull: expect.stringContaining("states"), rows: 20 });
    const index = join(sequence.folderOf(await current()), "index.mdb");
    await writeFile(index, "no index of anything".repeat(1_000));
    expect(await run()).toMatchObject({
      base: null,
      inFull: expect.stringContaining("can't be read"),
      rows: 20,
    });
    expect((await current()).reconciliation).toMatchObject({ kind: "not-compared" });
  });

  test("finds what the tail has wrong, too much or not at all, and batch is served from then on", async () => {
    await sequence.ingest(sale, 0, sales(9, "a", "b", "c"));
    const result = await run({
      served: ([a, , c]) => {
        if (a === undefined || c === undefined) throw new Error("there are three rows");
        const wrong = { ...a, cells: [7, ...a.cells.slice(1)] };
        return [wrong, c, { ...c, dimensions: ["d"] }, { ...c, dimensions: ["e"], pane: 0 }];
      },
    });
    // That of b, which the tail does not have, differs too.
    expect(result).toMatchObject({ base: expect.any(String), differing: 4, rows: 21 });
    const { index, files, full } = await sequence.rows(await current());
    expect([index, files]).toEqual([full, full]);
    expect((await current()).reconciliation).toMatchObject({
      ...{ kind: "compared", keys: 5, differing: 4 },
      examples: [{ dimensions: ["a"] }, { dimensions: ["b"] }, { dimensions: ["d"] }, { dimensions: ["e"] }],
    });
    expect(await run()).toMatchObject({ differing: 0 });
  });
});

test("a view is computed from the generation that serves, or in full with the reason", () => {
  const [view] = views;
  const floating = defineView({
    name: "floating",
    from: sale,
    by: () => ({}),
    measures: (f) => ({ weight: sum(f.weight) }),
  });
  const nowMs = Date.UTC(2026, 0, 2);
  const young = { id: "g", createdAt: new Date(nowMs - 1_000).toISOString() } as Manifest;
  const old = { ...young, base: { id: "f", fullAt: new Date(nowMs - 9_000).toISOString() } };
  const way = (of: View | undefined, manifest: Manifest | undefined, changes: Partial<WayParts> = {}) => {
    const app = defineApp({ name: "ways", views, batch: { full: "0 3 * * *" } });
    const run = { kind: "batch", full: false } as const;
    const usual = { app, run, hasErased: false, nowMs, fullWithinMs: 8_000 };
    return wayOf({ ...usual, ...changes }, of as View, manifest);
  };
  expect(way(view, young)).toEqual({ kind: "incremental", base: young });
  const always = defineApp({ name: "ways", views, batch: { full: "always" } });
  expect([
    way(view, undefined),
    way(floating, young),
    way(view, old),
    way(view, young, { run: { kind: "check", full: false } }),
    way(view, young, { hasErased: true }),
    way(view, young, { run: { kind: "batch", full: true } }),
    way(view, young, { app: always }),
  ]).toEqual(
    [
      "there is no generation of this declaration",
      'measure "weight" adds floats, whose sum depends on the order',
      "the last full computation is of 2026-01-01T23:59:51.000Z",
      "a check computes everything",
      "facts were erased",
      "it was asked for",
      'the app says batch.full: "always"',
    ].map((reason) => ({ kind: "full", reason })),
  );
});

test("of every aggregate it is known whether its states merge exactly", () => {
  const byOrder = Object.entries(instances).filter(([, make]) => {
    const { measures } = defineView({
      name: "law",
      from: sample,
      by: () => ({}),
      measures: (f) => ({ m: make(f) }),
    });
    return measures.some(({ aggregate }) => dependsOnOrder(aggregate));
  });
  const floats = ["float", "optional float", "optional float where"];
  expect(byOrder.map(([name]) => name).sort()).toEqual(
    [
      ...["sum", "mean", "variance", "stddev"].flatMap((kind) => floats.map((input) => `${kind}(${input})`)),
      "stddev(float of population)",
    ].sort(),
  );
});
