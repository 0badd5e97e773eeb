/** `npm run lesson`: at most once, at least once and exactly once, each by a consumer that is killed; see docs/semantics.md. */
import { randomUUID } from "node:crypto";
import { formatCount } from "../../cli/quantity.ts";
import { columnsOf, renderTable } from "../../cli/table.ts";
import { startKafka } from "../../infra/kafka/services/kafka.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { events, fill, type Lesson, learn } from "./lesson.ts";
import { manners } from "./manners.ts";

const kills = 5;
const lifecycle = new Lifecycle();
const report = (what: string) => process.stderr.write(`${what}\n`);
try {
  const { KAFKA_BROKERS } = process.env;
  // One of ours may be told of shorter sessions than Kafka allows by default.
  const [config, sessionMs] = [
    { "group.min.session.timeout.ms": "500" },
    KAFKA_BROKERS === undefined ? 1_000 : 6_000,
  ];
  const [broker = ""] =
    KAFKA_BROKERS?.split(",") ?? lifecycle.use(await startKafka({ brokers: 1, config, report })).brokers;
  const admin = lifecycle.use(new TopicAdmin(kafkaSettings({ KAFKA_BROKERS: broker })));
  const topic = `tidemark.lesson.${randomUUID()}`;
  await admin.create([{ name: topic, partitions: 1, replication: 1, config: {} }]);
  lifecycle.defer(() => admin.delete([topic]));
  await fill(broker, topic);
  report(
    `${formatCount(events)} events are in the topic. A consumer counts them by key, and is killed ${kills} times.`,
  );
  const lessons: Lesson[] = [];
  for (const manner of manners) {
    report(`${manner} …`);
    lessons.push(await learn({ broker, topic, manner, kills, sessionMs, random: Math.random }));
  }
  process.stdout.write(`\n${renderTable(columnsOf(lessons.map((lesson) => ({ ...lesson }))))}\n`);
} finally {
  await lifecycle[Symbol.asyncDispose]();
}
