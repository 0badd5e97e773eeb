import { inject } from "vitest";
import { deadLetterTopics, LogDeadLetters } from "../../infra/dead-letters/log-dead-letters.ts";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { deadLettersContract, orderType, visitType } from "../log/dead-letters-contract.ts";
import { renamedLog } from "../log/renamed-log.ts";
import { freshTopics } from "./fresh-topics.ts";

deadLettersContract("LogDeadLetters on KafkaLog", async () => {
  const lifecycle = new Lifecycle();
  const fresh = await freshTopics();
  const app = { app: "shop", types: [orderType, visitType] };
  const topics = deadLetterTopics(app.app, app.types);
  for (const { name } of topics) await fresh.create(name);
  const settings = kafkaSettings({ KAFKA_BROKERS: inject("kafkaBrokers").join(",") });
  const names = new Map(topics.map(({ name }) => [name, fresh.name(name)]));
  const renamed = topics.map(({ name, partitions }) => ({ name: fresh.name(name), partitions }));
  const again = async () => {
    const log = lifecycle.use(await KafkaLog.open({ settings, topics: renamed }));
    return new LogDeadLetters({ log: renamedLog(log, names), ...app });
  };
  return { letters: await again(), again, close: () => lifecycle[Symbol.asyncDispose]() };
});
