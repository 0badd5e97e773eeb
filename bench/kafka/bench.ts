import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "../../cli/client.ts";
import type { Role } from "../../cli/cluster/role-names.ts";
import { deploy, kafkaServices } from "../../examples/demo/kafka-services.ts";
import { freePort, TidemarkProcess } from "../../examples/demo/tidemark-process.ts";
import { airportHours, flight } from "../../examples/flights/app.ts";
import { GenerationsFolder } from "../../infra/generations/folder.ts";
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
  const settings = kafkaSettings(environment);
  const { brokers } = settings;
  const roles = async (app: string) => {
    const data = join(folder, basename(app, ".ts"));
    await deploy(app, data, environment);
    return async (role: Role) => TidemarkProcess.start(app, data, await freePort(), { role, environment });
  };
  const plain = await plainTopic(settings, "bench.plain");
  const output = await plainTopic(settings, "bench.counts");

  const start = await roles(flightsApp);
  const gateway = lifecycle.use(new Client(lifecycle.use(await start("ingestion")).url));
  report(await benchKafkaIngest(gateway, brokers, plain));

  const startCount = await roles(countApp);
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
  const generations = await noGenerations(folder);
  for (const row of await benchConsumption({ log, generations, events: ingestedEvents }, brokers))
    report(row);

  await orNote(note, async () => {
    await using streams = await StreamsProgram.start(brokers, say);
    const startSpeed = () => startCount("speed");
    for (const row of await benchStreams({ log, generations, streams, output, startSpeed })) report(row);
  });

  lifecycle.use(await start("speed"));
  const serving = lifecycle.use(await start("serving"));
  report(await benchKafkaFreshness(gateway, lifecycle.use(new Client(serving.url))));
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

async function noGenerations(folder: string): Promise<GenerationsFolder> {
  const root = join(folder, "no-generations");
  await mkdir(root);
  return GenerationsFolder.read({
    root,
    onWatchError: (error) => {
      throw error;
    },
  });
}

/** A topic of its own, like that of the flights. */
async function plainTopic(settings: KafkaSettings, name: string): Promise<string> {
  await using admin = new TopicAdmin(settings);
  const app = defineApp({ name: "bench", views: [], events: [{ ...flight, name }] });
  const wanted = wantedTopics(app).filter((topic) => topic.name === name);
  await admin.apply(await admin.plan(wanted));
  return name;
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
