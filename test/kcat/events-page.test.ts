import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { RecordReader } from "../../infra/log/record-reader.ts";
import { offset } from "../../views/cut.ts";
import { eventsPage } from "../docs/events-page.ts";
import { order } from "../ingestion/gateway-fixture.ts";
import { freshTopics } from "../kafka/fresh-topics.ts";

test("what the page has kcat send are events", async () => {
  const fresh = await freshTopics();
  const type = { ...order, name: await fresh.create("order") };
  const script = (await eventsPage())
    .filter(({ kind }) => kind === "sh kcat")
    .map(({ body }) =>
      body.replaceAll("127.0.0.1:9092", inject("kafkaBrokers").join(",")).replaceAll(order.name, type.name),
    )
    .join("\n");
  const path = `${dirname(inject("kcat"))}:${process.env.PATH}`;
  await promisify(execFile)("sh", ["-ec", script], { env: { ...process.env, PATH: path } });
  const settings = kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });
  await using log = await KafkaLog.open({ settings, topics: [{ name: type.name, partitions: 1 }] });
  const [next = offset(0)] = await log.nexts(type.name);
  const ids: string[] = [];
  for await (const { records } of log.read(type.name, 0, offset(0), next)) {
    for (const record of records) {
      const { id, data } = new RecordReader(type, 0).event(record);
      ids.push(id);
      expect(data).toEqual({ shop: "a", amount: 3 });
    }
  }
  expect(ids).toEqual([`${type.name}@0:0`, "1"]);
});
