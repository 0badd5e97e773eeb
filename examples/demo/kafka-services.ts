import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { startKafka } from "../../infra/kafka/services/kafka.ts";
import { startRedis } from "../../infra/kafka/services/redis.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { tidemark } from "./tidemark-process.ts";

/** Where Kafka and Redis are, as the processes of a cluster read it. */
export type KafkaEnvironment = Readonly<Record<"KAFKA_BROKERS" | "REDIS_URL", string>>;

/** The Kafka of KAFKA_BROKERS and the Redis of REDIS_URL, or ones that are started for this and end with the lifecycle. */
export async function kafkaServices(
  lifecycle: Lifecycle,
  report: (what: string) => void,
): Promise<KafkaEnvironment> {
  const { KAFKA_BROKERS, REDIS_URL } = process.env;
  const [brokers, redis] = await Promise.all([
    KAFKA_BROKERS ||
      startKafka({ brokers: 1, report }).then((kafka) => lifecycle.use(kafka).brokers.join(",")),
    REDIS_URL || startRedis({ report }).then((started) => lifecycle.use(started).url),
  ]);
  return { KAFKA_BROKERS: brokers, REDIS_URL: redis };
}

/** Makes the topics that the app needs, so that its processes can start. */
export async function deploy(app: string, data: string, environment: KafkaEnvironment): Promise<void> {
  await promisify(execFile)(
    process.execPath,
    [tidemark, "topics", "apply", "--app", app, "--data", data, "--yes"],
    { env: { ...process.env, ...environment } },
  );
}
