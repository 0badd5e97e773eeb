import { afterAll, beforeAll, expect, test } from "vitest";
import { dataFolder } from "../../cli/data-folder.ts";
import { runChecks } from "../../cli/verify/run-checks.ts";
import type { RunResult } from "../../infra/jobs/jobs.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { Client } from "../fault/client.ts";
import { RunningCluster } from "./running-cluster.ts";
import { freshVisits } from "./visits.ts";

const dayMs = 86_400_000;
let cluster: RunningCluster;
let gateway: Client;
let serving: Client;
let nodes: readonly AsyncDisposable[];
let sent = 0;

beforeAll(async () => {
  cluster = await RunningCluster.deployVisits(freshVisits({ keep: "30d", duplicatesWithin: 2 }));
  const [ingestion, server, ...others] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  [gateway, serving] = [new Client(ingestion.url), new Client(server.url)];
  nodes = [ingestion, server, ...others];
});
afterAll(async () => {
  for (const node of nodes) await node[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

/** Visits of one place, and so of one partition. */
async function visit(daysAgo: number, count: number): Promise<string> {
  const lines = Array.from({ length: count }, () => {
    const time = new Date(Date.now() - daysAgo * dayMs).toISOString();
    const envelope = { id: String(sent++), source: "test", type: cluster.visit.name, time };
    return JSON.stringify({ ...envelope, data: { place: "here", stay: daysAgo } });
  });
  return (await gateway.ingest(lines.join("\n"))).position;
}

async function counted(after: string): Promise<number> {
  const { rows } = await serving.rows("places", { groupBy: "", after, timeout: "30s" });
  return rows.reduce((sum, { visits }) => sum + Number(visits), 0);
}

async function run(full: boolean): Promise<RunResult> {
  return (await serving.runIsDone(await serving.startRun({ full }))).result as RunResult;
}

test("facts leave, but for those that a later record may be a duplicate of; what the topic still has counts for nobody", async () => {
  await visit(100, 5);
  const first = await visit(1, 3);
  expect(await counted(first)).toBe(8);
  expect((await run(false)).expired).toBeUndefined();
  expect((await run(true)).expired).toMatchObject([{ type: cluster.visit.name, records: 5 }]);
  expect(await counted(first)).toBe(3);
  // Late ones: the last two records of the partition are old.
  const late = await visit(50, 3);
  expect(await counted(late)).toBe(6);
  expect((await run(false)).reconciliations).toMatchObject([{ reconciliation: { differing: 0 } }]);
  expect((await run(true)).expired).toMatchObject([{ records: 1 }]);
  expect(await counted(late)).toBe(5);
  const further = await visit(0, 2);
  expect(await counted(further)).toBe(7);
  expect((await run(true)).expired).toMatchObject([{ records: 2 }]);
  expect(await counted(further)).toBe(5);
  const last = await run(true);
  expect(last).toMatchObject({ reconciliations: [{ reconciliation: { kind: "compared", differing: 0 } }] });

  const { erasures } = await serving.get<{ erasures: readonly object[] }>("/v1/erasures");
  expect(erasures).toMatchObject([{ type: cluster.visit.name, state: "done" }]);
  const lifecycle = new Lifecycle();
  const stores = await cluster.stores(lifecycle);
  for await (const { name, problems } of runChecks(
    cluster.app,
    dataFolder(cluster.data),
    stores,
    lifecycle,
  )) {
    expect([name, problems]).toEqual([name, []]);
  }
  await lifecycle[Symbol.asyncDispose]();
});

test("a view of the speed layer alone, out of which nothing can be taken, is refused", async () => {
  await using other = await RunningCluster.deployVisits(freshVisits({ keep: "30d", isOneLayered: true }));
  await expect(other.start("speed")).rejects.toMatchObject({
    code: "TIDEMARK_CONFIG",
    message: expect.stringContaining('"places-of-speed"'),
  });
});
