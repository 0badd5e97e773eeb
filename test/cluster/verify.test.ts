import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { dataFolder } from "../../cli/data-folder.ts";
import { type Outcome, replay } from "../../cli/replay/replay.ts";
import { runChecks } from "../../cli/verify/run-checks.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { encodeTailRecord, type TailRecord, tailTopic, viewNameOf } from "../../infra/tail/tail-record.ts";
import { type Offset, offset, recordsBetween } from "../../views/cut.ts";
import type { View } from "../../views/view.ts";
import { Client } from "../fault/client.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { RunningCluster } from "./running-cluster.ts";
import { linesOf, visitsOf } from "./sent-visits.ts";
import { freshVisits } from "./visits.ts";

let cluster: RunningCluster;
let view: View;
let log: KafkaLog;
let log0Next: Offset;
let whileCompacted: Awaited<ReturnType<typeof answersDuringCompaction>>;

beforeAll(async () => {
  cluster = await RunningCluster.deployVisits(freshVisits({ hasFlights: true }));
  const cold = { folder: join(cluster.data, "cold"), afterMs: 86_400_000 };
  view = cluster.app.views[0] as View;
  const [ingestion, serving, ...others] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("batch", { archiving: { everyMs: 50, lookMs: 50 }, cold }),
  ]);
  await post(ingestion.url, 0);
  whileCompacted = await answersDuringCompaction(new Client(ingestion.url), new Client(serving.url));
  const position = await post(ingestion.url, 500);
  const after = `after=${encodeURIComponent(position)}&timeout=30s`;
  expect((await fetch(`${serving.url}/v1/views/places/rows?limit=1&${after}`)).status).toBe(200);
  for (const role of [ingestion, serving, ...others]) await role[Symbol.asyncDispose]();
  log = await KafkaLog.open({ settings: settings(), topics: topics() });
  log0Next = (await log.nexts(cluster.visit.name))[0] ?? offset(0);
});

afterAll(async () => {
  await log[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

interface Counted {
  readonly flights: number;
  readonly distance: number;
}

/**
 * Sends flights and asks for their totals until the batch role has put files of the master dataset together; then by every
 * view, before and after a run over all of them.
 */
async function answersDuringCompaction(gateway: Client, node: Client) {
  const { name, partitions } = cluster.flight;
  const lines = (await flightLines(6_000)).map((line) => ({ ...JSON.parse(line), type: name }));
  const master = MasterFolder.read(dataFolder(cluster.data).master, [{ name, partitions }]);
  const nexts = new Map<string, number>();
  const asked: { readonly right: Counted; readonly answer: Counted | undefined }[] = [];
  const right = { flights: 0, distance: 0 };
  let hasCompacted = false;
  while (!hasCompacted && lines.length > 0) {
    const some = lines.splice(0, 100);
    const { position } = await gateway.ingest(some.map((line) => JSON.stringify(line)).join("\n"));
    for (const { data } of some) {
      right.flights++;
      right.distance += data.distance;
    }
    const { rows } = await node.get<{ rows: readonly Counted[] }>(
      `/v1/views/totals-by-hour/rows?groupBy=&measures=flights,distance&timeout=20s&after=${encodeURIComponent(position)}`,
    );
    asked.push({ right: { ...right }, answer: rows[0] });
    // Each time a file more.
    while (recordsBetween({}, await master.cut()) < right.flights) await pause(10);
    for (const { partition, from, next } of await master.files(name)) {
      const key = `${partition}@${from}`;
      // Files never change: one that begins there and reaches further was put together from several.
      hasCompacted ||= (nexts.get(key) ?? next) < next;
      nexts.set(key, next);
    }
  }
  // All flights are old, and now their files are as well: they go to the other disk.
  for (let files = await master.files(name); !files.some(({ isCold }) => isCold); ) {
    for (const { path } of files) await utimes(path, 0, 0).catch(() => undefined);
    await pause(20);
    files = await master.files(name);
  }
  const rows = () => Promise.all(flightNames.map(async (each) => (await node.rows(each)).rows));
  const before = await rows();
  const run = await node.runIsDone(await node.startRun());
  return { hasCompacted, asked, before, after: await rows(), run };
}

const settings = () => kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });
const topics = () => {
  return [cluster.visit, cluster.flight].flatMap(({ name, partitions }) => [
    { name, partitions },
    { name: tailTopic(name), partitions },
  ]);
};

async function post(url: string, from: number): Promise<string> {
  return (await new Client(url).ingest(linesOf(cluster.visit.name, visitsOf(from, 500)))).position;
}

async function problems(): Promise<Readonly<Record<string, readonly string[]>>> {
  const lifecycle = new Lifecycle();
  try {
    const stores = await cluster.stores(lifecycle);
    const found: Record<string, readonly string[]> = {};
    for await (const check of runChecks(cluster.app, dataFolder(cluster.data), stores, lifecycle)) {
      expect(check.covered).not.toBe("");
      found[check.name] = check.problems;
    }
    return found;
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
}

const flightNames = ["airport-hours", "routes-by-day", "totals-by-hour"];
const clean = {
  ...{ log: [], "master dataset": [] },
  ...Object.fromEntries(
    ["places", ...flightNames].flatMap((name) => [
      [`generations of ${name}`, []],
      [`tail of ${name}`, []],
    ]),
  ),
};

async function tell(record: TailRecord): Promise<void> {
  const value = encodeTailRecord(record);
  await log.append([{ topic: tailTopic(cluster.visit.name), partition: 0, key: null, value }]);
}

test("files of the master dataset are put together while events come in, and no answer changes by it", () => {
  const { hasCompacted, asked, before, after, run } = whileCompacted;
  expect(hasCompacted).toBe(true);
  expect(asked.map(({ answer }) => answer)).toEqual(asked.map(({ right }) => right));
  expect(after).toEqual(before);
  const { generations } = run.result as { generations: readonly { differing: number | null }[] };
  expect(generations.map(({ differing }) => differing)).toEqual([0, 0, 0, 0]);
});

test("what a cluster leaves is clean, what is no event among it", async () => {
  await log.append([
    { topic: cluster.visit.name, partition: 0, key: null, value: new TextEncoder().encode("no event") },
  ]);
  expect(await problems()).toEqual(clean);
});

test("what the log has let go of is not compared, the rest is", async () => {
  await log.trim(cluster.visit.name, 0, offset(5));
  expect(await problems()).toEqual(clean);
});

/** Of one view, at the cut of the generation that serves. */
async function replayed(of: View): Promise<Outcome> {
  const lifecycle = new Lifecycle();
  const nothing = () => undefined;
  try {
    return await replay(
      {
        ...{ view: of, log, folder: dataFolder(cluster.data), now: () => performance.now() },
        ...{ archived: "let-go", maxEntries: 1_000_000, signal: new AbortController().signal },
        progress: {
          ...{ folding: nothing, folded: nothing, computing: nothing, comparing: nothing, compared: nothing },
        },
      },
      lifecycle,
    );
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
}

test("a replay folds what the log has let go of from files, and is what SQL computes", async () => {
  const outcome = await replayed(view);
  expect(outcome.replayed.master.offsets).toBe(5);
  expect(outcome.replayed.log.offsets).toBeGreaterThan(400);
  expect(outcome.held).toMatchObject({ generation: { differing: 0 }, computed: { differing: 0 } });
});

test.each(flightNames)(
  "a replay of %s from the log is what the generation of the same cut has, and SQL computes",
  async (name) => {
    const of = cluster.app.views.find((each) => each.name === name) as View;
    const { replayed: from, held } = await replayed(of);
    expect(from.log.offsets).toBe(whileCompacted.asked.length * 100);
    expect(held).toMatchObject({
      ...{ generation: { differing: 0 }, computed: { differing: 0 } },
    });
    expect(held.generation?.keys).toBe(whileCompacted.after[flightNames.indexOf(name)]?.length);
  },
);

test("states in a tail topic that are not those of its records are named", async () => {
  await tell({ kind: "claim", epoch: 1_000, owner: "a stranger" });
  const [pane, place] = [0, "nowhere"];
  await tell({
    ...{ kind: "rows", epoch: 1_000, view: viewNameOf(view), base: offset(0) },
    rows: [[[place], pane, [1, 1]]],
  });
  const reached = { from: offset(0), next: (log0Next + 1) as Offset, isSealed: false };
  const chainBase = await openBase();
  await tell({ kind: "segment", epoch: 1_000, view: viewNameOf(view), base: chainBase, ...reached });
  expect(await problems()).toEqual({
    ...clean,
    "tail of places": [expect.stringContaining('has ["nowhere"')],
  });
});

/** Where the open segment of partition 0 begins. */
async function openBase(): Promise<Offset> {
  const lifecycle = new Lifecycle();
  const { segments } = await cluster.stores(lifecycle);
  const open = (await segments(view, undefined)).filter(({ partition }) => partition === 0).at(-1);
  await lifecycle[Symbol.asyncDispose]();
  return open?.from ?? offset(0);
}
