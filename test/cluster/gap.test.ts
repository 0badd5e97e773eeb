import { afterEach, expect, inject, test } from "vitest";
import type { RunningRole } from "../../cli/cluster/node.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { Client } from "../fault/client.ts";
import { RunningCluster } from "./running-cluster.ts";
import { linesOf, visitsOf } from "./sent-visits.ts";

let cluster: RunningCluster;

afterEach(() => cluster[Symbol.asyncDispose]());

/** So many more visits, from the n-th of all on. */
async function post({ url }: RunningRole, from: number): Promise<string> {
  return (await new Client(url).ingest(linesOf(cluster.visit.name, visitsOf(from, 700)))).position;
}

async function get<T>({ url }: RunningRole, path: string): Promise<T> {
  return (await (await fetch(`${url}${path}`)).json()) as T;
}

/** The log forgets all that it holds. */
async function forgetRecords(): Promise<void> {
  const { name, partitions } = cluster.visit;
  const settings = kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });
  const log = await KafkaLog.open({ settings, topics: [{ name, partitions }] });
  for (const [partition, next] of (await log.nexts(name)).entries()) await log.trim(name, partition, next);
  await log[Symbol.asyncDispose]();
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

test("records that the log let go of, and neither layer has, are named wherever one looks, and never passed over", async () => {
  cluster = await RunningCluster.deploy();
  const { name } = cluster.visit;
  const [ingestion, serving, speed] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  const total = "/v1/views/places/rows?groupBy=&measures=visits&timeout=20s";
  const first = await post(ingestion, 0);
  await get(serving, `${total}&after=${encodeURIComponent(first)}`);
  await speed[Symbol.asyncDispose]();
  await post(ingestion, 700);
  await forgetRecords();
  const late = await cluster.start("speed");

  const gap = new RegExp(`the log has let go of records \\[\\d+, \\d+\\) of ${name}/0`);
  const named = new RegExp(`${name}/0: .*not in the log`);
  await until(async () => named.test((await get<{ detail?: string }>(late, "/readyz")).detail ?? ""));
  expect(cluster.said.join("")).toContain("a batch run that has them is needed");
  expect(await get(serving, "/readyz")).toMatchObject({
    status: "ready",
    degraded: [expect.stringMatching(gap)],
  });
  expect(await get(serving, "/v1/status")).toMatchObject({
    views: { places: { gap: expect.stringMatching(gap) } },
  });

  // The run is refused by the same name: the archive does not have them, and a generation is of all the records.
  const id = await new Client(serving.url).startRun();
  await until(async () => (await get<{ state: string }>(serving, `/v1/batch/runs/${id}`)).state === "failed");
  expect(await get(serving, `/v1/batch/runs/${id}`)).toMatchObject({
    error: {
      code: "TIDEMARK_STORE_OUT_OF_RANGE",
      message: expect.stringMatching(/records \[\d+, \d+\) .* not in the log/),
    },
  });
  const position = await post(ingestion, 1_400);
  expect(await get(serving, total)).toMatchObject({
    rows: [{ visits: 700 }],
    provenance: { position: first, complete: false },
  });
  expect(
    await get(serving, `${total.replace("20s", "500ms")}&after=${encodeURIComponent(position)}`),
  ).toMatchObject({
    code: "TIDEMARK_QUERY_AFTER",
  });
});
