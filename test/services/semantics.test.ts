import { expect, test } from "vitest";
import { events, fill, learn } from "../../examples/semantics/lesson.ts";
import { manners } from "../../examples/semantics/manners.ts";
import { startKafka } from "../../infra/kafka/services/kafka.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { TopicAdmin } from "../../infra/kafka/topic-admin.ts";

test("a consumer that is killed loses events if it commits first, counts some twice if it commits last, and neither if the position is kept with the counts", async () => {
  const config = { "group.min.session.timeout.ms": "500" };
  await using kafka = await startKafka({ brokers: 1, config });
  const [broker = ""] = kafka.brokers;
  await using admin = new TopicAdmin(kafkaSettings({ KAFKA_BROKERS: broker }));
  const topic = "lesson";
  await admin.create([{ name: topic, partitions: 1, replication: 1, config: {} }]);
  await fill(broker, topic);
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
