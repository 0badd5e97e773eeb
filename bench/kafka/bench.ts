import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "../../cli/client.ts";
import type { Role } from "../../cli/cluster/role-names.ts";
import { deploy, kafkaServices } from "../../examples/demo/kafka-services.ts";
import { freePort, TidemarkProcess } from "../../examples/demo/tidemark-process.ts";
import { airportHours, flight } from "../../examples/flights/app.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { tailTopic } from "../../infra/tail/tail-record.ts";
import { defineApp } from "../../views/index.ts";
import { probeFreshness } from "../freshness.ts";
import { loadLines } from "../lines.ts";
import { atMost, type Row } from "../rounds.ts";
import { benchConsumption } from "./consumption.ts";
import { benchKafkaIngest, ingestedEvents } from "./ingest.ts";

const flights = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));

/** Sent before freshness is measured. */
const caughtUpEvents = 20_000;

/** The roles on a Kafka and a Redis, which are started for this unless the environment names some. */
export async function benchKafka(lifecycle: Lifecycle, report: (row: Row) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  const data = join(folder, "data");
  const environment = await kafkaServices(lifecycle, (what) => process.stderr.write(`${what}\n`));
  const settings = kafkaSettings(environment);
  const { brokers } = settings;
  await deploy(flights, data, environment);
  const start = async (role: Role) =>
    lifecycle.use(await TidemarkProcess.start(flights, data, await freePort(), { role, environment }));

  const ingestion = await start("ingestion");
  const gateway = lifecycle.use(new Client(ingestion.url));
  report(await benchKafkaIngest(gateway, brokers, await plainTopic(settings)));

  const log = lifecycle.use(
    await KafkaLog.open({
      settings,
      topics: [flight, { name: tailTopic(flight.name), partitions: flight.partitions }],
    }),
  );
  const empty = join(folder, "no-generations");
  await mkdir(empty);
  const generations = GenerationsFolder.read({
    root: empty,
    onWatchError: (error) => {
      throw error;
    },
  });
  for (const row of await benchConsumption({ log, generations, events: ingestedEvents }, brokers))
    report(row);

  await start("speed");
  const serving = await start("serving");
  const client = lifecycle.use(new Client(serving.url));
  report(await benchKafkaFreshness(gateway, client));
}

/** A topic of its own, like that of the flights. */
async function plainTopic(settings: ReturnType<typeof kafkaSettings>): Promise<string> {
  const plain = { ...flight, name: "bench.plain" };
  await using admin = new TopicAdmin(settings);
  const wanted = wantedTopics(defineApp({ name: "bench", views: [], events: [plain] }));
  await admin.apply(await admin.plan(wanted.filter(({ name }) => name === plain.name)));
  return plain.name;
}

async function benchKafkaFreshness(gateway: Client, client: Client): Promise<Row> {
  const query = { view: airportHours.name, parameters: { origin: "ORD", limit: "24" } };
  // So that what was there before is folded.
  const lines = await loadLines(ingestedEvents, caughtUpEvents);
  const { position } = await gateway.ingest({ body: lines.pieces, contentType: "application/x-ndjson" });
  await client.rows(query.view, { ...query.parameters, after: position, timeout: "30s" });
  const { p99, detail } = await probeFreshness(
    { gateway, client, query },
    ingestedEvents + caughtUpEvents,
    10_000,
  );
  return {
    what: "freshness on Kafka: acknowledged → visible in a merged answer of a serving node, 10,000 events/s",
    against: "milliseconds, p99",
    mark: atMost(250, " ms"),
    aim: atMost(100, " ms"),
    measured: p99,
    detail,
  };
}
