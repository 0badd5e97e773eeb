import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Role } from "../../cli/cluster/role-names.ts";
import { startKafka } from "../../infra/kafka/services/kafka.ts";
import { startRedis } from "../../infra/kafka/services/redis.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import type { Platform, PlatformOptions } from "./platform.ts";
import { freePort, TidemarkProcess, tidemark } from "./tidemark-process.ts";

/**
 * Four roles in processes of their own, two of them twice, on the Kafka of KAFKA_BROKERS and the Redis of REDIS_URL, or on
 * ones that are started for this and end with it.
 */
export async function kafkaPlatform(
  { app, data, port }: PlatformOptions,
  lifecycle: Lifecycle,
  report: (what: string) => void,
): Promise<Platform> {
  const { KAFKA_BROKERS, REDIS_URL } = process.env;
  const [brokers, redis] = await Promise.all([
    KAFKA_BROKERS ||
      startKafka({ brokers: 1, report }).then((kafka) => lifecycle.use(kafka).brokers.join(",")),
    REDIS_URL || startRedis({ report }).then((started) => lifecycle.use(started).url),
  ]);
  const environment = { KAFKA_BROKERS: brokers, REDIS_URL: redis };
  await promisify(execFile)(
    process.execPath,
    [tidemark, "topics", "apply", "--app", app, "--data", data, "--yes"],
    {
      env: { ...process.env, ...environment },
    },
  );
  const start = async (role: Role, at?: number) =>
    lifecycle.use(await TidemarkProcess.start(app, data, at ?? (await freePort()), { role, environment }));
  const [gateway, speed, otherSpeed, batch, serving, otherServing] = await Promise.all([
    start("ingestion"),
    start("speed"),
    start("speed"),
    start("batch"),
    start("serving", port),
    start("serving"),
  ]);
  return {
    gateway: gateway.url,
    serving: [serving.url, otherServing.url],
    about: [
      `kafka    ${brokers}`,
      `redis    ${redis.replace(/\/\/[^@/]*@/, "//")}`,
      `gateway  ${gateway.url}`,
      `speed    ${speed.url} and ${otherSpeed.url}`,
      `batch    ${batch.url}`,
      `serving  ${serving.url} and ${otherServing.url}`,
    ],
    failed: Promise.race(
      [gateway, speed, otherSpeed, batch, serving, otherServing].map(({ failed }) => failed),
    ),
  };
}
