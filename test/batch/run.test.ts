import { randomUUID } from "node:crypto";
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startBatchWorker } from "../../batch-layer/main.ts";
import { type Archive, performRun, type RunParts } from "../../batch-layer/run.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import type { Manifest } from "../../infra/generations/generations.ts";
import { EmbeddedJobs } from "../../infra/jobs/embedded-jobs.ts";
import type { Run, RunProgress } from "../../infra/jobs/jobs.ts";
import type { Master } from "../../infra/master/master.ts";
import type { SealedTail } from "../../infra/tail/tail.ts";
import { type Cut, formatCut, offset, offsetAt } from "../../views/cut.ts";
import {
  type App,
  count,
  defineApp,
  defineEvent,
  defineView,
  sum,
  Type,
  tumbling,
  type View,
} from "../../views/index.ts";
import { compareKeys, storageKey } from "../../views/key.ts";
import type { StateRow } from "../../views/state.ts";
import { DuckdbHere } from "../duckdb-here.ts";
import { type Fact, MasterInMemory } from "./master-in-memory.ts";

const sale = defineEvent({
  name: "test.sale.made",
  schema: Type.Object({ shop: Type.String(), cents: Type.Integer(), weight: Type.Number() }),
  partitions: 2,
});
const byShop = defineView({
  name: "by-shop",
  from: sale,
  by: (f) => ({ shop: f.shop, hour: tumbling("1h") }),
  measures: (f) => ({ sales: count(), cents: sum(f.cents), weight: sum(f.weight) }),
});
const inAll = defineView({
  name: "in-all",
  from: sale,
  by: () => ({}),
  measures: (f) => ({ sales: count(), cents: sum(f.cents), weight: sum(f.weight) }),
});
const app = defineApp({ name: "shops", views: [byShop, inAll], batch: { keep: 2 } });

const fact = (shop: string, hour: number, cents: number, weight = 0): Fact => ({
  time: hour * 3_600_000,
  data: { shop, cents, weight },
});
const cutAt = (...nexts: number[]): Cut => ({ [sale.name]: nexts.map(offset) });

/** A speed layer that has folded every fact it was given, newest first: sums of floats come in another order. */
class FoldedFacts implements SealedTail {
  readonly facts: Fact[][] = [[], []];

  rows(view: View, from: Cut, to: Cut): Iterable<StateRow> | undefined {
    const rows = new Map<string, { dimensions: string[]; pane: number; cells: [number, number, number] }>();
    for (const [p, facts] of this.facts.entries()) {
      const range = [offsetAt(from, sale.name, p), offsetAt(to, sale.name, p)] as const;
      if (range[1] > facts.length) return undefined;
      for (const { time, isDuplicate, data } of facts.slice(...range).reverse()) {
        if (isDuplicate === true) continue;
        const dimensions = view === byShop ? [String(data.shop)] : [];
        const pane = view === byShop ? Math.floor(time / 3_600_000) * 3_600_000 : 0;
        const row = rows.get(`${dimensions} ${pane}`) ?? { dimensions, pane, cells: [0, 0, 0] };
        row.cells[0] += 1;
        row.cells[1] += Number(data.cents);
        row.cells[2] += Number(data.weight);
        rows.set(`${dimensions} ${pane}`, row);
      }
    }
    return [...rows.values()].sort(
      (a, b) => compareKeys(storageKey(a.dimensions), storageKey(b.dimensions)) || a.pane - b.pane,
    );
  }
}

let here: DuckdbHere;
let master: MasterInMemory;
let generations: GenerationsFolder;
let tail: FoldedFacts;
let nowMs: number;
let runs: number;

beforeEach(async () => {
  here = await DuckdbHere.open(2);
  master = new MasterInMemory(here.connection, here.root);
  generations = await GenerationsFolder.own({
    root: join(here.root, "generations"),
    onWatchError: (error) => {
      throw error;
    },
  });
  tail = new FoldedFacts();
  nowMs = Date.UTC(2026, 0, 1);
  runs = 0;
});
afterEach(() => here[Symbol.asyncDispose]());

/** Both layers take the facts in. */
async function ingest(partition: number, ...facts: Fact[]): Promise<void> {
  tail.facts[partition]?.push(...facts);
  await master.append(sale, partition, facts);
}

const sealed = (): Cut => cutAt(...tail.facts.map(({ length }) => length));
const archived: Archive = () => master.cut();

function parts(changes: Partial<RunParts> = {}): RunParts {
  return {
    app,
    master,
    generations,
    archive: archived,
    seal: { seal: async () => sealed() },
    sealedTail: tail,
    duckdb: here.duckdb,
    clock: () => (nowMs += 1_000),
    timers: globalThis,
    ...changes,
  };
}

async function run(
  changes: Partial<RunParts> = {},
  report: (progress: RunProgress) => void = () => undefined,
  signal: AbortSignal = new AbortController().signal,
  { kind = "batch", view = null, full = false }: Partial<Pick<Run, "kind" | "view" | "full">> = {},
) {
  return performRun(parts(changes), { id: `run-${++runs}`, kind, view, full }, report, signal);
}

async function served(view: View): Promise<{ manifest: Manifest; rows: StateRow[] } | undefined> {
  const manifest = await generations.current(view);
  if (manifest === undefined) return undefined;
  const reader = await generations.open(view, manifest.id);
  const rows = [...reader.scan([], undefined, undefined)];
  await reader[Symbol.asyncDispose]();
  return { manifest, rows };
}

/** Names of whatever lies in the views' folders: generations, drafts and pointers. */
async function names(): Promise<string[]> {
  const folders = await Promise.all(
    app.views.map(({ name }) => readdir(join(here.root, "generations", name)).catch(() => [])),
  );
  return folders.flat().sort();
}

test("a run publishes the states of all records before the cut, and says what they rest on", async () => {
  await ingest(0, fact("a", 0, 10), fact("b", -1, 5), { ...fact("a", 0, 10), isDuplicate: true });
  await ingest(1, fact("a", 0, 7), fact("a", 2, 1));
  const result = await run();
  const shops = await served(byShop);
  expect(shops?.rows).toEqual([
    { dimensions: ["a"], pane: 0, cells: [2, 17, 0] },
    { dimensions: ["a"], pane: 7_200_000, cells: [1, 1, 0] },
    { dimensions: ["b"], pane: -3_600_000, cells: [1, 5, 0] },
  ]);
  expect((await served(inAll))?.rows).toEqual([{ dimensions: [], pane: 0, cells: [4, 23, 0] }]);
  expect(shops?.manifest).toMatchObject({
    id: expect.stringMatching(/^g-\d{14}-[0-9a-f]{6}$/),
    run: "run-1",
    fingerprint: byShop.fingerprint,
    cut: cutAt(3, 2),
    rows: 3,
    records: 5,
    panes: { first: -3_600_000, last: 7_200_000 },
    reconciliation: { kind: "compared", against: null, keys: 3, differing: 0 },
  });
  const all = await served(inAll);
  const computed = { base: null, inFull: 'measure "weight" adds floats, whose sum depends on the order' };
  expect(result).toEqual({
    generations: [
      { view: "by-shop", id: shops?.manifest.id, rows: 3, differing: 0, ...computed },
      { view: "in-all", id: all?.manifest.id, rows: 1, differing: 0, ...computed },
    ],
    records: 5,
    reconciliations: [shops, all].map((one) => ({
      view: one?.manifest.view,
      generation: one?.manifest.id,
      createdAt: one?.manifest.createdAt,
      cut: formatCut(cutAt(3, 2)),
      reconciliation: one?.manifest.reconciliation,
    })),
  });
});

test("records behind the cut are left to the tail, though their file is archived", async () => {
  await ingest(0, fact("a", 0, 1), fact("a", 0, 2), fact("a", 0, 4));
  await ingest(1, fact("a", 0, 8));
  await run({ seal: { seal: async () => cutAt(2, 0) } });
  expect(await served(inAll)).toMatchObject({
    manifest: { cut: cutAt(2, 0), records: 2, reconciliation: { kind: "compared", differing: 0 } },
    rows: [{ cells: [2, 3, 0] }],
  });
});

test("a later run is held against the generation before it merged with the tail since its cut", async () => {
  await ingest(0, fact("a", 0, 10), fact("b", 0, 5));
  const [first] = (await run()).generations;
  await ingest(0, fact("a", 0, 1), fact("c", 0, 3));
  await ingest(1, fact("b", 1, 2));
  await run();
  expect(await served(byShop)).toMatchObject({
    manifest: { reconciliation: { kind: "compared", against: first?.id, keys: 4, differing: 0 } },
    rows: [{ cells: [2, 11, 0] }, { cells: [1, 5, 0] }, { cells: [1, 2, 0] }, { cells: [1, 3, 0] }],
  });
});

test("sums of floats in another order are no drift, however much cancels out", async () => {
  const weights = Array.from({ length: 3_000 }, (_, i) => (i % 2 === 0 ? 1 : -1) * 1e9 * Math.sin(i) ** 2);
  await ingest(0, ...weights.map((weight) => fact("a", 0, 0, weight)));
  await run({ seal: { seal: async () => cutAt(1_500, 0) } });
  await run();
  const manifests = await generations.list(byShop.name);
  expect(manifests.map(({ reconciliation }) => reconciliation)).toMatchObject([
    { kind: "compared", differing: 0 },
    { kind: "compared", against: null, differing: 0 },
  ]);
  const batch = (await served(byShop))?.rows[0]?.cells[2];
  expect(batch).not.toBe(weights.reduceRight((a, b) => a + b, 0));
});

test("drift of what was served is found, and batch is served from then on", async () => {
  await ingest(0, fact("a", 0, 10, 0.1), fact("b", 0, 5, 0.2), fact("b", 0, 5, 0.3));
  tail.facts[0] = [fact("a", 0, 11, 0.1), fact("b", 0, 5, 0.2), fact("d", 0, 5, 0.3)];
  const result = await run();
  expect(result.generations[0]).toMatchObject({ rows: 2, differing: 3 });
  expect(result.generations[1]).toMatchObject({ rows: 1, differing: 1 });
  const current = await served(byShop);
  expect(current?.rows.map(({ cells }) => cells)).toEqual([
    [1, 10, 0.1],
    [2, 10, 0.5],
  ]);
  const reader = await generations.open(byShop, current?.manifest.id ?? "");
  expect([...reader.drift()]).toEqual([
    { dimensions: ["a"], pane: 0, cells: [1, 11, 0.1] },
    { dimensions: ["b"], pane: 0, cells: [1, 5, 0.2] },
    { dimensions: ["d"], pane: 0, cells: [1, 5, 0.3] },
  ]);
  await reader[Symbol.asyncDispose]();
});

test("a float that is off by more than rounding explains is drift", async () => {
  await ingest(0, fact("a", 0, 1, 0.1), fact("a", 0, 1, 0.2));
  tail.facts[0] = [fact("a", 0, 1, 0.1), fact("a", 0, 1, 0.2 + 1e-15)];
  expect((await run()).generations).toMatchObject([{ differing: 1 }, { differing: 1 }]);
});

test("doing a run twice changes nothing but the generation's name", async () => {
  await ingest(0, fact("a", 0, 10), fact("b", 0, 5));
  await run();
  const first = await served(byShop);
  runs = 0;
  await run();
  const second = await served(byShop);
  expect(second?.rows).toEqual(first?.rows);
  expect(second?.manifest.id).not.toBe(first?.manifest.id);
  expect(second?.manifest).toMatchObject({
    cut: first?.manifest.cut,
    reconciliation: { kind: "compared", against: first?.manifest.id, differing: 0 },
  });
});

test("a run without any record publishes an empty generation", async () => {
  await run();
  expect(await served(inAll)).toMatchObject({
    manifest: { cut: cutAt(0, 0), rows: 0, records: 0, panes: null },
    rows: [],
  });
});

test("as many generations are kept as the app says", async () => {
  for (let i = 0; i < 4; i++) await run();
  expect(await generations.list(byShop.name)).toHaveLength(2);
});

test("the progress of a run never goes back and ends at 1", async () => {
  await ingest(0, fact("a", 0, 10), fact("b", 0, 5));
  const seen: RunProgress[] = [];
  await run({}, (progress) => seen.push(progress));
  const fractions = seen.map(({ fraction }) => fraction);
  expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
  expect(fractions.at(-1)).toBe(1);
  expect([...new Set(seen.map(({ step, view }) => `${step} ${view}`))]).toEqual([
    "seal null",
    "archive null",
    "compute by-shop",
    "reconcile by-shop",
    "compute in-all",
    "reconcile in-all",
    "publish null",
  ]);
});

test("a worker performs what its queue holds", async () => {
  await ingest(0, fact("a", 0, 10));
  const jobs = await EmbeddedJobs.open({
    path: join(here.root, "jobs"),
    clock: () => nowMs,
    newId: randomUUID,
  });
  const { id } = await jobs.submit({ requestedBy: "test", ifBusy: "refuse" });
  const ended = new Promise<Run>((resolve) => {
    jobs.watch((run) => {
      if (run.finishedAt !== null) resolve(run);
    });
  });
  const failed = (error: unknown) => {
    throw error;
  };
  const worker = startBatchWorker({ ...parts(), jobs, failed });
  expect(await ended).toMatchObject({ id, state: "succeeded", result: { records: 1 } });
  expect((await served(inAll))?.manifest.run).toBe(id);
  await worker[Symbol.asyncDispose]();
  await jobs[Symbol.asyncDispose]();
});

describe("where there is nothing to hold the batch answer against, the report says so", () => {
  const reason = async () => {
    const manifest = (await served(byShop))?.manifest;
    return manifest?.reconciliation.kind === "not-compared" ? manifest.reconciliation.reason : undefined;
  };

  test("in the first generation, if the tail does not reach back to the first record", async () => {
    await ingest(0, fact("a", 0, 10));
    const result = await run({ sealedTail: { rows: () => undefined } });
    expect(result.generations[0]).toMatchObject({ differing: null });
    expect(await reason()).toMatch(/first generation.*no sealed states.*@0:0,1:0 to .*@0:1,1:0/);
  });

  test("in the first generation of another declaration", async () => {
    await ingest(0, fact("a", 0, 10));
    await run();
    const changed = defineView({
      name: "by-shop",
      from: sale,
      by: (f) => ({ shop: f.shop }),
      measures: () => ({ sales: count() }),
    });
    const other: App = defineApp({ name: "shops", views: [changed] });
    await run({ app: other, sealedTail: { rows: () => undefined } });
    const manifest = await generations.current(changed);
    expect(manifest?.reconciliation).toMatchObject({
      kind: "not-compared",
      reason: expect.stringContaining(`formerly ${byShop.fingerprint}`),
    });
  });

  test.each([
    ["gives no position", async () => undefined, /could not seal$/],
    ["fails", () => Promise.reject(new Error("out of memory")), /could not seal: out of memory/],
    ["does not answer", () => new Promise<undefined>(() => undefined), /did not seal within 5 ms/],
  ])("where the speed layer %s; the cut is then the archive's end", async (_, seal, words) => {
    await ingest(0, fact("a", 0, 10));
    await run();
    await ingest(0, fact("a", 0, 5));
    const asked: (Cut | undefined)[] = [];
    const archive: Archive = (until) => {
      asked.push(until);
      return master.cut();
    };
    await run({ seal: { seal }, archive, sealWithinMs: 5 });
    expect(asked).toEqual([undefined]);
    expect(await reason()).toMatch(words);
    expect(await served(inAll)).toMatchObject({
      manifest: { cut: cutAt(2, 0) },
      rows: [{ cells: [2, 15, 0] }],
    });
  });

  test("where the sealed tail does not begin at the cut of the generation", async () => {
    await ingest(0, fact("a", 0, 10));
    await run();
    await ingest(0, fact("a", 0, 5));
    await run({ sealedTail: { rows: () => undefined } });
    expect(await reason()).toMatch(/no sealed states that cover exactly/);
  });
});

test("a speed layer that was down but behind which nothing came is held to the generation itself", async () => {
  await ingest(0, fact("a", 0, 10));
  await run();
  await run({ seal: { seal: async () => undefined } });
  expect((await served(byShop))?.manifest.reconciliation).toMatchObject({ kind: "compared", differing: 0 });
});

test("a cut never falls behind the generation that serves", async () => {
  await ingest(0, fact("a", 0, 10), fact("a", 0, 5));
  await ingest(1, fact("a", 0, 3));
  await run();
  await run({ seal: { seal: async () => cutAt(1, 0) } });
  expect((await served(byShop))?.manifest.cut).toEqual(cutAt(2, 1));
});

describe("a run that does not end well leaves what served before it, and no drafts", () => {
  let before: string[];
  beforeEach(async () => {
    await ingest(0, fact("a", 0, 10));
    await run();
    before = await names();
    await ingest(0, fact("a", 0, 5));
  });
  const expectUntouched = async () => {
    expect(await names()).toEqual(before);
    expect((await served(inAll))?.rows).toEqual([{ dimensions: [], pane: 0, cells: [1, 10, 0] }]);
    await run();
    expect((await served(inAll))?.rows).toEqual([{ dimensions: [], pane: 0, cells: [2, 15, 0] }]);
  };

  test("when the archive can't reach the cut", async () => {
    const short: Archive = async () => cutAt(1, 0);
    await expect(run({ archive: short })).rejects.toMatchObject({ code: "TIDEMARK_STORE_GAP" });
    await expectUntouched();
  });

  test("when a file of the master is gone", async () => {
    const [, second] = await master.files(sale.name);
    const path = second?.path ?? "";
    await rename(path, `${path}.away`);
    await expect(run()).rejects.toThrow(path);
    await rename(`${path}.away`, path);
    await expectUntouched();
  });

  test("when what was being served breaks off in the middle of the second view", async () => {
    const rows = (view: View, from: Cut, to: Cut) => {
      if (view === byShop) return tail.rows(view, from, to);
      throw new Error("the checkpoint is gone");
    };
    await expect(run({ sealedTail: { rows } })).rejects.toThrow("the checkpoint is gone");
    await expectUntouched();
  });

  test.each(["archive", "compute", "reconcile", "publish"] as const)(
    "when it is stopped at %s",
    async (step) => {
      const stop = new AbortController();
      const progress = (at: RunProgress) => {
        if (at.step === step && (at.view === null || at.view === inAll.name)) stop.abort();
      };
      await expect(run({}, progress, stop.signal)).rejects.toMatchObject({ code: "TIDEMARK_RUN_CANCELLED" });
      await expectUntouched();
    },
  );

  test("when it is stopped within a statement, which then does not go on to its end", async () => {
    await ingest(1, ...Array.from({ length: 4_000 }, (_, i) => fact(`shop ${i}`, i, i)));
    const files = await master.files(sale.name);
    // The same file many times over: more than a few seconds' work.
    const many = Array.from({ length: 5_000 }, () => files.filter(({ partition }) => partition === 1)).flat();
    const long: Master = {
      files: async () => [...files, ...many],
      cut: () => master.cut(),
      add: () => master.add(),
    };
    const stop = new AbortController();
    let stoppedAt = 0;
    const progress = ({ step }: RunProgress) => {
      if (step !== "compute") return;
      setTimeout(() => {
        stoppedAt = performance.now();
        stop.abort();
      }, 300);
    };
    await expect(run({ master: long }, progress, stop.signal)).rejects.toMatchObject({
      code: "TIDEMARK_RUN_CANCELLED",
    });
    expect(performance.now() - stoppedAt).toBeLessThan(1_000);
    expect(await names()).toEqual(before);
  });
});

describe("views of one layer", () => {
  const changed = (view: View, layers: "batch" | "speed"): View => ({ ...view, layers });

  test("no generation is made of what the speed layer alone computes, and none of it can be checked", async () => {
    await ingest(0, fact("a", 0, 10));
    const ofSpeed = { ...app, views: [changed(byShop, "speed"), inAll] };
    const { generations: made } = await run({ app: ofSpeed });
    expect(made.map(({ view }) => view)).toEqual(["in-all"]);
    await expect(
      run({ app: ofSpeed }, undefined, undefined, { kind: "check", view: "by-shop" }),
    ).rejects.toMatchObject({ code: "TIDEMARK_VIEW_LAYER" });
  });

  test("what batch runs alone compute is held against nothing", async () => {
    await ingest(0, fact("a", 0, 10));
    await run({ app: { ...app, views: [changed(byShop, "batch"), inAll] } });
    expect((await served(byShop))?.manifest.reconciliation).toEqual({
      kind: "not-compared",
      reason: expect.stringContaining('layers: "batch"'),
    });
    expect((await served(inAll))?.manifest.reconciliation).toMatchObject({ kind: "compared" });
  });

  test("where no view is of both layers the cut is where the log ends, whatever a seal says", async () => {
    await ingest(0, fact("a", 0, 10), fact("a", 0, 5));
    const asked: (Cut | undefined)[] = [];
    await run({
      app: { ...app, views: [changed(byShop, "batch"), changed(inAll, "speed")] },
      seal: { seal: async () => cutAt(1, 0) },
      archive: (until) => {
        asked.push(until);
        return master.cut();
      },
    });
    expect(asked).toEqual([{}]);
    expect((await served(byShop))?.manifest.cut).toEqual(cutAt(2, 0));
  });
});
