import { fork } from "node:child_process";
import { on, once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { events, fill, learn } from "../../examples/semantics/lesson.ts";
import { type Manner, manners, storeEvery } from "../../examples/semantics/manners.ts";
import { startKafka } from "../../infra/kafka/services/kafka.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";

let kafka: Awaited<ReturnType<typeof startKafka>>;
let broker = "";

beforeAll(async () => {
  kafka = await startKafka({ brokers: 1, config: { "group.min.session.timeout.ms": "500" } });
  [broker = ""] = kafka.brokers;
});

afterAll(() => kafka[Symbol.asyncDispose]());

async function filledTopic(topic: string): Promise<void> {
  await using admin = new TopicAdmin(kafkaSettings({ KAFKA_BROKERS: broker }));
  await admin.create([{ name: topic, partitions: 1, replication: 1, config: {} }]);
  await fill(broker, topic);
}

test("a consumer that is killed loses events if it commits first, counts some twice if it commits last, and neither if the position is kept with the counts", async () => {
  const topic = "lesson";
  await filledTopic(topic);
  const kills = 3;
  const lessons = await Promise.all(
    manners.map((manner) => {
      let killed = 0;
      // Each in the midst of what is committed together.
      const random = () => (killed++ + 0.5) / kills;
      return learn({ broker, topic, manner, kills, sessionMs: 3_000, random });
    }),
  );
  const [mostOnce, leastOnce, exactlyOnce] = lessons;
  expect(mostOnce?.lost).toBeGreaterThan(0);
  expect(mostOnce?.doubled).toBe(0);
  expect(leastOnce?.lost).toBe(0);
  expect(leastOnce?.doubled).toBeGreaterThan(0);
  expect(exactlyOnce).toEqual({ manner: "exactly-once", kills, counted: events, lost: 0, doubled: 0 });
});

test("a consumer that is taken for dead when its last events are committed, and not counted yet, says that it is done", async () => {
  const topic = "taken-for-dead";
  await filledTopic(topic);
  const folder = await mkdtemp(join(tmpdir(), "tidemark-semantics-"));
  const worker = fileURLToPath(new URL("../../examples/semantics/worker.ts", import.meta.url));
  const manner: Manner = "at-most-once";
  const sessionMs = 1_000;
  const consumer = fork(
    worker,
    [broker, manner, topic, join(folder, "counts.json"), String(events), String(sessionMs)],
    { execArgv: ["--import", import.meta.resolve("tsx/esm")] },
  );
  const ended = once(consumer, "exit");
  try {
    let stored = 0;
    for await (const [message] of on(consumer, "message", { close: ["exit"] })) {
      if (message === "done") break;
      if (++stored !== events / storeEvery - 5) continue;
      consumer.kill("SIGSTOP");
      await pause(3 * sessionMs);
      consumer.kill("SIGCONT");
    }
    expect(consumer.exitCode).toBeNull();
    expect(stored).toBeLessThan(events / storeEvery);
  } finally {
    consumer.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true });
  }
});
