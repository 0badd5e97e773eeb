import { inject } from "vitest";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { logContract } from "../log/log-contract.ts";
import { renamedLog } from "../log/renamed-log.ts";
import { freshTopics } from "./fresh-topics.ts";

const settings = () => kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });

logContract("KafkaLog", async (topics) => {
  const fresh = await freshTopics();
  const names = new Map(topics.map(({ name }) => [name, fresh.name(name)]));
  for (const { name, partitions } of topics) {
    await fresh.create(name, { partitions, config: { "max.message.bytes": "16777216" } });
  }
  const open = async () => {
    const renamed = topics.map(({ name, partitions }) => ({ name: fresh.name(name), partitions }));
    return renamedLog(await KafkaLog.open({ settings: settings(), topics: renamed }), names);
  };
  const log = await open();
  return { log, reader: open, close: () => log[Symbol.asyncDispose]() };
});
