import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { dataFolder } from "../../cli/data-folder.ts";
import { replay } from "../../cli/replay/replay.ts";
import { clusterStores } from "../../cli/verify/cluster-stores.ts";
import { runChecks } from "../../cli/verify/run-checks.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { encodeTailRecord, type TailRecord, tailTopic, viewNameOf } from "../../infra/tail/tail-record.ts";
import { type Offset, offset } from "../../views/cut.ts";
import type { View } from "../../views/view.ts";
import { RunningCluster } from "./running-cluster.ts";

let cluster: RunningCluster;
let view: View;
let log: KafkaLog;
let log0Next: Offset;

beforeAll(async () => {
  cluster = await RunningCluster.deploy();
  view = cluster.app.views[0] as View;
  const [ingestion, serving, ...others] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  await post(ingestion.url, 0);
  await runBatch(serving.url);
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

const settings = () => kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });
const topics = () => {
  const { name, partitions } = cluster.visit;
  return [
    { name, partitions },
    { name: tailTopic(name), partitions },
  ];
};

async function post(url: string, from: number): Promise<string> {
  const lines = Array.from({ length: 500 }, (_, i) => {
    const n = from + i;
    return JSON.stringify({
      ...{ id: String(n), source: "test", type: cluster.visit.name, time: new Date(n * 1_000).toISOString() },
      data: { place: `place ${n % 7}`, stay: n },
    });
  });
  const response = await fetch(`${url}/v1/events`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines.join("\n"),
  });
  return ((await response.json()) as { position: string }).position;
}

async function runBatch(url: string): Promise<void> {
  const { id } = (await (await fetch(`${url}/v1/batch/runs`, { method: "POST" })).json()) as { id: string };
  for (let state = ""; state !== "succeeded"; ) {
    ({ state } = (await (await fetch(`${url}/v1/batch/runs/${id}`)).json()) as { state: string });
    expect(["queued", "running", "succeeded"]).toContain(state);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function problems(): Promise<Readonly<Record<string, readonly string[]>>> {
  const lifecycle = new Lifecycle();
  try {
    const stores = await clusterStores(cluster.app, settings(), lifecycle);
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

const clean = { log: [], "master dataset": [], "generations of places": [], "tail of places": [] };

async function tell(record: TailRecord): Promise<void> {
  const value = encodeTailRecord(record);
  await log.append([{ topic: tailTopic(cluster.visit.name), partition: 0, key: null, value }]);
}

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

test("a replay folds what the log has let go of from files, and is what SQL computes", async () => {
  const lifecycle = new Lifecycle();
  const nothing = () => undefined;
  try {
    const outcome = await replay(
      {
        ...{ view, log, folder: dataFolder(cluster.data), now: () => performance.now() },
        ...{ archived: "let-go", maxEntries: 1_000_000, signal: new AbortController().signal },
        progress: {
          ...{ folding: nothing, folded: nothing, computing: nothing, comparing: nothing, compared: nothing },
        },
      },
      lifecycle,
    );
    expect(outcome.replayed.master.offsets).toBe(5);
    expect(outcome.replayed.log.offsets).toBeGreaterThan(400);
    expect(outcome.held).toMatchObject({ generation: { differing: 0 }, computed: { differing: 0 } });
  } finally {
    await lifecycle[Symbol.asyncDispose]();
  }
});

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
  const { segments } = await clusterStores(cluster.app, settings(), lifecycle);
  const open = (await segments(view, undefined)).filter(({ partition }) => partition === 0).at(-1);
  await lifecycle[Symbol.asyncDispose]();
  return open?.from ?? offset(0);
}
