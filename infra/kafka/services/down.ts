import { setTimeout } from "node:timers/promises";
import { folderOwner } from "../../folder-lock.ts";
import { backgroundFolder } from "./background.ts";

// `npm run services:down`: ends the keeper that owns the folder, and with it the Kafka and the Redis that it started.

const deadlineMs = 60_000;
const folder = backgroundFolder();
const say = (what: string) => process.stderr.write(`${what}\n`);

const keeper = await folderOwner(folder);
if (keeper === undefined) {
  say("Nothing is up.");
} else {
  process.kill(keeper, "SIGTERM");
  const deadline = performance.now() + deadlineMs;
  while ((await folderOwner(folder)) === keeper && performance.now() < deadline) await setTimeout(50);
  const isDown = (await folderOwner(folder)) !== keeper;
  say(isDown ? `Down. Topics and queues are kept in ${folder}.` : `Process ${keeper} has not ended yet.`);
  if (!isDown) process.exitCode = 1;
}
