import { afterEach, expect, test } from "vitest";
import { Client } from "../fault/client.ts";
import { RunningCluster } from "./running-cluster.ts";
import { byPlace, linesOf, visitsOf } from "./sent-visits.ts";

let cluster: RunningCluster | undefined;

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
  cluster = undefined;
});

const send = async (gateway: Client, type: string, from: number, length: number) =>
  (await gateway.ingest(linesOf(type, visitsOf(from, length)))).position;

const totals = (node: Client, after: string) =>
  node.rows("places", { groupBy: "place", orderBy: "place", measures: "visits,stay", after });

const runBatch = async (node: Client) => (await node.runIsDone(await node.startRun())).result;

test("two speed workers, two serving nodes: both answer exactly what was acknowledged, before and after a batch run, with no drift", async () => {
  cluster = await RunningCluster.deploy();
  const { name } = cluster.visit;
  const [ingestion, ...serving] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("serving"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  const gateway = new Client(ingestion.url);
  const [one, other] = [new Client(serving[0].url), new Client(serving[1].url)];
  const first = await send(gateway, name, 0, 5_000);
  const before = byPlace(visitsOf(0, 5_000));
  for (const node of [one, other]) expect((await totals(node, first)).rows).toEqual(before);
  expect(await runBatch(one)).toMatchObject({ generations: [{ differing: 0 }] });
  await send(gateway, name, 5_000, 2_000);
  const second = await send(gateway, name, 6_000, 2_000);
  const after = byPlace(visitsOf(0, 8_000));
  for (const node of [one, other]) {
    const { rows, provenance } = await totals(node, second);
    expect(rows).toEqual(after);
    expect(provenance.generation).not.toBeNull();
  }
  expect(await runBatch(other)).toMatchObject({ generations: [{ differing: 0 }] });
  for (const node of [one, other]) expect((await totals(node, second)).rows).toEqual(after);
});
