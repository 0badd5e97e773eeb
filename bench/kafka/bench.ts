import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "../../cli/client.ts";
import { kafkaServices } from "../../examples/demo/kafka-services.ts";
import { airportHours, flight } from "../../examples/flights/app.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { type KafkaSettings, kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { tailTopic } from "../../infra/tail/tail-record.ts";
import { TidemarkError } from "../../views/errors.ts";
import { defineApp } from "../../views/index.ts";
import { probeFreshness } from "../freshness.ts";
import { loadLines } from "../lines.ts";
import { atMost, type Row } from "../rounds.ts";
import { benchConsumption } from "./consumption.ts";
import { counted } from "./count-app.ts";
import { benchKafkaIngest, ingestedEvents } from "./ingest.ts";
import { Roles } from "./roles.ts";
import { benchStreams } from "./streams.ts";
import { StreamsProgram } from "./streams-program.ts";

const flightsApp = fileURLToPath(new URL("../../examples/flights/app.ts", import.meta.url));
const countApp = fileURLToPath(new URL("./count-app.ts", import.meta.url));

/** Sent before freshness is measured. */
const caughtUpEvents = 20_000;

/** The roles on a Kafka and a Redis, which are started for this unless the environment names some. */
export async function benchKafka(
  lifecycle: Lifecycle,
  report: (row: Row) => void,
  note: (text: string) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-bench-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  const say = (what: string) => process.stderr.write(`${what}\n`);
  const environment = await kafkaServices(lifecycle, say);
  const roles = new Roles(folder, environment, lifecycle);
  const measuring = measure({
    roles,
    settings: kafkaSettings(environment),
    lifecycle,
    report,
    note,
    say,
  });
  await Promise.race([measuring, roles.failed]);
}

interface Bench {
  readonly roles: Roles;
  readonly settings: KafkaSettings;
  readonly lifecycle: Lifecycle;
  readonly report: (row: Row) => void;
  readonly note: (text: string) => void;
  readonly say: (what: string) => void;
}

async function measure({ roles, settings, lifecycle, report, note, say }: Bench): Promise<void> {
  const { brokers } = settings;
  const plain = await plainTopic(settings, "bench.plain");
  const output = await plainTopic(settings, "bench.counts");

  await roles.deploy(flightsApp);
  await roles.deploy(countApp);
  const ingestion = await roles.start(flightsApp, "ingestion");
  const gateway = lifecycle.use(new Client(ingestion.url));
  report(await benchKafkaIngest(gateway, brokers, plain));

  const log = lifecycle.use(
    await KafkaLog.open({
      settings,
      topics: [
        ...[flight, counted].flatMap(({ name, partitions }) => [
          { name, partitions },
          { name: tailTopic(name), partitions },
        ]),
        { name: output, partitions: flight.partitions },
      ],
    }),
  );
  for (const row of await benchConsumption({ log, brokers, events: ingestedEvents }, lifecycle)) report(row);

  report(await benchKafkaFreshness(gateway, roles));

  await orNote(note, async () => {
    const streams = lifecycle.use(await StreamsProgram.start(brokers, say));
    const startSpeed = () => roles.start(countApp, "speed");
    for (const row of await benchStreams({ log, streams, output, startSpeed })) report(row);
  });
}

/** What needs a program that can't be had is not run, which is said; where nobody would read that, it fails. */
async function orNote(note: (text: string) => void, rows: () => Promise<void>): Promise<void> {
  try {
    await rows();
  } catch (error) {
    const isMissing = error instanceof TidemarkError && error.code === "TIDEMARK_SERVICE_MISSING";
    if (!isMissing || process.env.CI === "true") throw error;
    note(`NOT RUN: the rows of Kafka Streams: ${error.message}`);
  }
}

/** A topic of its own, like that of the flights. */
async function plainTopic(settings: KafkaSettings, name: string): Promise<string> {
  await using admin = new TopicAdmin(settings);
  const app = defineApp({ name: "bench", views: [], events: [{ ...flight, name }] });
  const wanted = wantedTopics(app).filter((topic) => topic.name === name);
  await admin.apply(await admin.plan(wanted));
  return name;
}

async function benchKafkaFreshness(gateway: Client, roles: Roles): Promise<Row> {
  await using _speed = await roles.start(flightsApp, "speed");
  await using serving = await roles.start(flightsApp, "serving");
  using client = new Client(serving.url);
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
