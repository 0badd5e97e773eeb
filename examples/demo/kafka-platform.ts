import type { Role } from "../../cli/cluster/role-names.ts";
import type { Lifecycle } from "../../infra/lifecycle.ts";
import { deploy, kafkaServices } from "./kafka-services.ts";
import type { Platform, PlatformOptions } from "./platform.ts";
import { freePort, TidemarkProcess } from "./tidemark-process.ts";

/**
 * Four roles in processes of their own, two of them twice, on the Kafka of KAFKA_BROKERS and the Redis of REDIS_URL, or on
 * ones that are started for this and end with it.
 */
export async function kafkaPlatform(
  { app, data, port }: PlatformOptions,
  lifecycle: Lifecycle,
  report: (what: string) => void,
): Promise<Platform> {
  const environment = await kafkaServices(lifecycle, report);
  await deploy(app, data, environment);
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
      `kafka    ${environment.KAFKA_BROKERS}`,
      `redis    ${environment.REDIS_URL.replace(/\/\/[^@/]*@/, "//")}`,
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
