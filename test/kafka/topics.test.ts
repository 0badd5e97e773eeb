import { randomBytes } from "node:crypto";
import { expect, inject, onTestFinished, test } from "vitest";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";
import type { TopicStep } from "../../infra/kafka/topic-plan.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import { defineApp, defineEvent, type TopicOptions, Type } from "../../views/index.ts";

/** An app of one event type, whose names no other test has. Its topics are gone when the test is over. */
async function shop() {
  const id = `t${randomBytes(6).toString("hex")}`;
  const admin = new TopicAdmin(kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") }));
  const declare = (partitions: number, topic: TopicOptions = {}) => {
    const schema = Type.Object({ city: Type.String() });
    const event = defineEvent({ name: `test.${id}.placed`, schema, partitions, topic });
    return wantedTopics(defineApp({ name: id, views: [], events: [event] }));
  };
  onTestFinished(async () => {
    const there = (await admin.plan(declare(1))).filter(({ kind }) => kind !== "create");
    if (there.length > 0) await admin.delete(there.map(({ topic }) => topic.name));
    await admin[Symbol.asyncDispose]();
  });
  return { id, admin, declare };
}

const kinds = (steps: readonly TopicStep[]) => steps.map(({ kind }) => kind);

test("what is missing is created, and then nothing is left to do", async () => {
  const { id, admin, declare } = await shop();
  const steps = await admin.plan(declare(3));
  expect(steps.map(({ topic, kind }) => [topic.name, topic.partitions, kind])).toEqual([
    [`test.${id}.placed`, 3, "create"],
    [`test.${id}.placed.tail`, 3, "create"],
    [`test.${id}.placed.dead-letter`, 1, "create"],
    [`${id}.dead-letter`, 1, "create"],
    [`${id}.clock`, 1, "create"],
  ]);
  await admin.apply(steps);
  expect(kinds(await admin.plan(declare(3)))).toEqual(Array(5).fill("unchanged"));
});

test("what differs is set, and what nobody declared stays as someone set it", async () => {
  const { id, admin, declare } = await shop();
  const topic = `test.${id}.placed`;
  await admin.create([
    { name: topic, partitions: 2, replication: 1, config: { "segment.bytes": "7777777" } },
  ]);
  const wanted = declare(2, { retention: "36h", compression: "gzip" });
  const [step] = await admin.plan(wanted);
  expect(step).toMatchObject({
    kind: "change",
    changes: expect.arrayContaining([
      { name: "retention.ms", from: "604800000", to: "129600000" },
      { name: "compression.type", from: "producer", to: "gzip" },
    ]),
  });
  await admin.apply(await admin.plan(wanted));
  expect(kinds(await admin.plan(wanted))[0]).toBe("unchanged");
  expect(
    (await admin.configs([topic], ["segment.bytes", "retention.ms", "compression.type"])).get(topic),
  ).toEqual({
    "segment.bytes": "7777777",
    "retention.ms": "129600000",
    "compression.type": "gzip",
  });
});

test("another number of partitions is refused, and nothing at all is done", async () => {
  const { id, admin, declare } = await shop();
  await admin.apply((await admin.plan(declare(3))).slice(0, 1));
  const steps = await admin.plan(declare(4));
  expect(kinds(steps)).toEqual(["refused", "create", "create", "create", "create"]);
  await expect(admin.apply(steps)).rejects.toMatchObject({
    code: "TIDEMARK_KAFKA_TOPICS",
    message: expect.stringMatching(
      `"test.${id}.placed": it is declared with 4 partitions, but Kafka has it with 3`,
    ),
  });
  expect(kinds(await admin.plan(declare(3)))).toEqual(["unchanged", "create", "create", "create", "create"]);
});

test("more copies than there are brokers are refused by name, and so are more acknowledgements than copies", async () => {
  const { admin, declare } = await shop();
  const refused = async (topic: TopicOptions) => {
    const [step] = await admin.plan(declare(1, topic));
    return step?.kind === "refused" ? step.reason : step?.kind;
  };
  expect(await refused({ replication: 99 })).toMatch(/replication 99, but there (is|are) \d+ broker/);
  expect(await refused({ replication: 1, minInsyncReplicas: 1 })).toBe("create");
  expect(await refused({ minInsyncReplicas: 50 })).toMatch(/minInsyncReplicas 50, but has \d+ replica/);
});
