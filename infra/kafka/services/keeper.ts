import { once } from "node:events";
import { join } from "node:path";
import { lockFolder } from "../../folder-lock.ts";
import { Lifecycle } from "../../lifecycle.ts";
import {
  type BackgroundServices,
  backgroundFolder,
  forgetServices,
  type KeeperMessage,
  writeServices,
} from "./background.ts";
import { startKafka } from "./kafka.ts";
import { startRedis } from "./redis.ts";

// The process in the background that Kafka and Redis belong to: they end with it, however it ends.

const folder = backgroundFolder();
const brokers = process.argv[2] === "3" ? 3 : 1;
const tell = (message: KeeperMessage) => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};
const report = (what: string) => tell({ kind: "report", what });

// Nothing else keeps the process running.
const awake = setInterval(() => undefined, 2 ** 30);
const terminated = once(process, "SIGTERM");
// Whoever started it has given up.
const abandoned = once(process, "disconnect");

const lifecycle = new Lifecycle();
try {
  lifecycle.use(await lockFolder(folder));
  lifecycle.defer(forgetServices);
  const services = await Promise.race([start(), ended(terminated), ended(abandoned)]);
  await writeServices(services);
  tell({ kind: "up", services });
  await terminated;
} catch (error) {
  tell({ kind: "failed", why: (error as Error).message });
  process.exitCode = 1;
} finally {
  await lifecycle[Symbol.asyncDispose]();
  clearInterval(awake);
  if (process.connected) process.disconnect();
}
// What was still being started ends with us.
process.exit();

async function start(): Promise<BackgroundServices> {
  // What was in the topics and the queues is still there after `down` and `up`.
  const [kafka, redis] = await Promise.all([
    startKafka({ brokers, ports: [9092, 9093, 9094], folder: join(folder, `kafka-${brokers}`), report }),
    startRedis({ port: 6379, folder: join(folder, "redis"), report }),
  ]);
  // Asked to end, they close their files first.
  lifecycle.defer(() => redis.stop());
  lifecycle.defer(async () => void (await Promise.all(kafka.nodes.map((node) => node.stop()))));
  return {
    kafkaBrokers: kafka.brokers,
    redisUrl: redis.url,
    pids: { keeper: process.pid, kafka: kafka.nodes.map(({ pid }) => pid ?? 0), redis: redis.pid ?? 0 },
  };
}

async function ended(event: Promise<unknown>): Promise<never> {
  await event;
  throw new Error("it was ended while it was being started");
}
