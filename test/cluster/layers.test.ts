import { afterEach, expect, inject, test } from "vitest";
import { dataFolder } from "../../cli/data-folder.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { tidemarkHere } from "../cli/here.ts";
import { Client } from "../fault/client.ts";
import { RunningCluster } from "./running-cluster.ts";
import { linesOf, total, visitsOf } from "./sent-visits.ts";
import { freshVisits } from "./visits.ts";

let lifecycle = new Lifecycle();
afterEach(async () => {
  await lifecycle[Symbol.asyncDispose]();
  lifecycle = new Lifecycle();
});

const send = (gateway: Client, type: string, from: number, length: number) =>
  gateway.ingest(linesOf(type, visitsOf(from, length)));

test("in a cluster a view of the speed layer alone is whole though the log has let go of records, and one of runs alone is as the last run left it", async () => {
  const cluster = lifecycle.use(await RunningCluster.deployVisits(freshVisits({ isOneLayered: true })));
  const { name, partitions } = cluster.visit;
  const gateway = new Client((await cluster.start("ingestion")).url);
  await send(gateway, name, 0, 700);

  // All of it is archived, and none of it in the log any more, before anybody folds.
  const settings = kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });
  const log = await KafkaLog.open({ settings, topics: [{ name, partitions }] });
  const folder = dataFolder(cluster.data);
  const master = await MasterFolder.own(folder.master, [{ name, partitions }]);
  const duckdb = await Duckdb.open({ memoryLimit: "256MB", threads: 1, temporaryFolder: folder.scratch });
  const archiver = new Archiver({ app: cluster.app, log, master, duckdb });
  await archiver.archive(await archiver.logEnd());
  for (const [partition, next] of (await log.nexts(name)).entries()) await log.trim(name, partition, next);
  await duckdb[Symbol.asyncDispose]();
  await log[Symbol.asyncDispose]();

  const [serving] = await Promise.all([
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  const node = new Client(serving.url);
  const { position } = await send(gateway, name, 700, 300);
  const rows = async (view: string) =>
    (
      await node.get<{ rows: unknown }>(
        `/v1/views/${view}/rows?groupBy=&measures=visits,stay&timeout=20s&after=${encodeURIComponent(position)}`,
      )
    ).rows;
  expect(await rows("places-of-speed")).toEqual([total(1_000)]);
  await expect(rows("places-of-batch")).rejects.toThrow("TIDEMARK_VIEW_BUILDING");
  const run = await node.runIsDone(await node.startRun());
  expect(run.result).toMatchObject({ generations: [{ view: "places-of-batch" }], records: 1_000 });
  expect(await rows("places-of-batch")).toEqual([total(1_000)]);
  const { position: later } = await send(gateway, name, 1_000, 10);
  expect(
    await node.get(
      `/v1/views/places-of-speed/rows?groupBy=&measures=visits,stay&timeout=20s&after=${encodeURIComponent(later)}`,
    ),
  ).toMatchObject({ rows: [total(1_010)], provenance: { layer: "speed", generation: null, lag: 0 } });
  // Where the log ends a node knows as of 100 ms ago.
  await expect
    .poll(() => node.get(`/v1/views/places-of-batch/rows?groupBy=&measures=visits,stay`))
    .toMatchObject({ rows: [total(1_000)], provenance: { layer: "batch", lag: 10, complete: false } });
  // As of a past cut a run computes what the one for all has not yet, in the folder that the nodes share.
  const { provenance } = await node.rows("places-of-speed");
  const asOf = provenance.position;
  const { code, out, err } = await tidemarkHere([
    ...["batch", "run", "--as-of", asOf, "--view", "places-of-batch", "--url", serving.url],
  ]);
  expect(code, out + err).toBe(0);
  const then = { groupBy: "", measures: "visits,stay", asOf };
  expect(await node.rows("places-of-batch", then)).toMatchObject({
    rows: [total(1_010)],
    provenance: { layer: "batch", lag: 0, complete: true },
  });
  expect(await rows("places-of-batch").catch(String)).toEqual([total(1_000)]);
});
