import { randomBytes } from "node:crypto";
import { expect, inject, onTestFinished, test } from "vitest";
import { checkKafka, type KafkaCheck } from "../../infra/kafka/check-kafka.ts";
import { freePorts } from "../../infra/kafka/services/ports.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import { defineApp, defineEvent, type TopicOptions, Type } from "../../views/index.ts";

const settings = () => kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });

/** An app of one event type with its topics, whose names no other test has. */
async function shop(topic: TopicOptions = {}) {
  const id = `t${randomBytes(6).toString("hex")}`;
  const declare = (partitions: number) => {
    const schema = Type.Object({ city: Type.String() });
    const event = defineEvent({ name: `test.${id}.placed`, schema, partitions, topic });
    return defineApp({ name: id, views: [], events: [event] });
  };
  const app = declare(2);
  const admin = new TopicAdmin(settings());
  await admin.apply(await admin.plan(wantedTopics(app)));
  onTestFinished(async () => {
    const there = (await admin.plan(wantedTopics(app))).filter(({ kind }) => kind !== "create");
    await admin.delete(there.map(({ topic }) => topic.name));
    await admin[Symbol.asyncDispose]();
  });
  const check = (other: Partial<KafkaCheck> = {}) =>
    checkKafka({ settings: settings(), app, batchIntervalMs: 300_000, ...other });
  return { app, admin, declare, check };
}

const refusal = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) });

test("what `topics apply` made passes", async () => {
  const { check } = await shop();
  await check();
});

test("a broker that does not answer is named", async () => {
  const { check } = await shop();
  const [port] = await freePorts(1);
  const nobody = kafkaSettings({ KAFKA_BROKERS: `127.0.0.1:${port}`, KAFKA_CLIENT_ID: "check" });
  await expect(check({ settings: nobody })).rejects.toMatchObject(
    refusal(
      "TIDEMARK_KAFKA_UNREACHABLE",
      new RegExp(`KAFKA_BROKERS answers check without TLS: 127.0.0.1:${port}`),
    ),
  );
});

test("a topic that is missing is named, with what creates it", async () => {
  const { app, admin, check } = await shop();
  await admin.delete([`${app.events[0]?.name}.tail`]);
  await expect(check()).rejects.toMatchObject(
    refusal(
      "TIDEMARK_KAFKA_TOPIC_MISSING",
      /no topic "test\.\w+\.placed\.tail": create it by `tidemark topics apply`/,
    ),
  );
});

test("a wrong number of partitions is named, with both numbers", async () => {
  const { check, declare } = await shop();
  await expect(check({ app: declare(5) })).rejects.toMatchObject(
    refusal("TIDEMARK_KAFKA_PARTITIONS", /declared with 5 partitions, but Kafka has it with 2/),
  );
});

test("a retention that is shorter than twice the time between batch runs is named", async () => {
  const { check } = await shop({ retention: "9m" });
  await check({ batchIntervalMs: 270_000 });
  await check({ batchIntervalMs: null });
  await expect(check({ batchIntervalMs: 300_000 })).rejects.toMatchObject(
    refusal("TIDEMARK_KAFKA_RETENTION", /for 9 min, but 5 min may pass between batch runs.*at least 10 min/),
  );
});

test("a clock that is away from the broker's is named, by how much and which way", async () => {
  const { check } = await shop();
  const off = (ms: number) => check({ now: () => Date.now() + ms });
  await off(1_500);
  await expect(off(5_000)).rejects.toMatchObject(
    refusal("TIDEMARK_KAFKA_CLOCK", /clock is [45]\.\d s ahead of that of the Kafka broker.*NTP/),
  );
  await expect(off(-60_000)).rejects.toMatchObject(
    refusal("TIDEMARK_KAFKA_CLOCK", /clock is (59\.\d|60\.\d) s behind that of/),
  );
});
