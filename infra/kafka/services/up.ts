import { fork } from "node:child_process";
import { openSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { TidemarkError } from "../../../views/errors.ts";
import { folderOwner } from "../../folder-lock.ts";
import { type BackgroundServices, backgroundFolder, type KeeperMessage, readServices } from "./background.ts";

// `npm run services:up`: Kafka and Redis in the background. Standard output is for `eval`: nothing but the exports.

const folder = backgroundFolder();
const say = (what: string) => process.stderr.write(`${what}\n`);

try {
  const brokers = wantedBrokers();
  await mkdir(folder, { recursive: true });
  const isUp = (await folderOwner(folder)) !== undefined;
  const services = isUp ? await already(brokers) : await start(brokers ?? "1");
  const { pids } = services;
  say(
    `${isUp ? "Already up" : "Up"}: Kafka ${pids.kafka.join(", ")} and Redis ${pids.redis}, kept by ${pids.keeper}.`,
  );
  say("npm run services:down ends them.");
  process.stdout.write(`export KAFKA_BROKERS=${services.kafkaBrokers.join(",")}\n`);
  process.stdout.write(`export REDIS_URL=${services.redisUrl}\n`);
} catch (error) {
  say((error as Error).message);
  process.exitCode = 1;
}

function wantedBrokers(): string | undefined {
  const { brokers } = parseArgs({ options: { brokers: { type: "string" } } }).values;
  if (brokers === undefined || brokers === "1" || brokers === "3") return brokers;
  throw new TidemarkError("TIDEMARK_CONFIG", `--brokers ${brokers}: there can be 1 or 3 brokers`);
}

async function already(brokers: string | undefined): Promise<BackgroundServices> {
  const services = await readServices();
  if (services === undefined) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      "they are just being started, or ended: try again in a moment",
    );
  }
  const count = services.kafkaBrokers.length;
  if (brokers !== undefined && Number(brokers) !== count) {
    throw new TidemarkError(
      "TIDEMARK_CONFIG",
      `already up with --brokers ${count}: npm run services:down before asking for ${brokers}`,
    );
  }
  return services;
}

function start(brokers: string): Promise<BackgroundServices> {
  const log = openSync(join(folder, "keeper.log"), "w");
  const keeper = fork(fileURLToPath(new URL("./keeper.ts", import.meta.url)), [brokers], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  });
  return new Promise((resolve, reject) => {
    keeper.on("message", (message: KeeperMessage) => {
      switch (message.kind) {
        case "report":
          say(message.what);
          return;
        case "up":
          keeper.unref();
          keeper.disconnect();
          resolve(message.services);
          return;
        case "failed":
          reject(new TidemarkError("TIDEMARK_SERVICE_START", message.why));
          return;
      }
    });
    keeper.on("exit", (code) =>
      reject(
        new TidemarkError(
          "TIDEMARK_SERVICE_START",
          `the keeper ended with ${code}: see ${folder}/keeper.log`,
        ),
      ),
    );
  });
}
