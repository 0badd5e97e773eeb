/**
 * A consumer that counts events by key, in one of three manners, and may be killed at any moment. It keeps its counts in a file
 * that is replaced in one step, and its position in Kafka's consumer group, or beside the counts.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { Kafka, type KafkaMessage, logLevel } from "kafkajs";
import { replaceDurably } from "../../infra/durable.ts";
import { type Counted, commitEvery, type Manner, storeEvery, workMs } from "./manners.ts";

const [broker = "", manner, topic = "", path = "", events, sessionMs] = process.argv.slice(2) as [
  ...[string, Manner, string, string],
  ...[string, string],
];
const groupId = `${topic}.${manner}`;
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({
  groupId,
  sessionTimeout: Number(sessionMs),
  rebalanceTimeout: Number(sessionMs),
  heartbeatInterval: Number(sessionMs) / 5,
});
const stored: Counted = JSON.parse(await readFile(path, "utf8").catch(() => `{"counts":{},"next":0}`));
const { counts } = stored;
/** Where it would begin if it were started now. */
let position = manner === "exactly-once" ? stored.next : await committed();

if (!sayIfDone()) {
  // Also after it was taken for dead for a while, which may be in the midst of its last records.
  consumer.on(consumer.events.GROUP_JOIN, () => {
    if (!sayIfDone() && manner === "exactly-once") {
      consumer.seek({ topic, partition: 0, offset: String(position) });
    }
  });
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
    if (restart) return;
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch: { messages }, heartbeat, resolveOffset }) => {
      // Fetched before it was told where to begin.
      if (manner === "exactly-once" && Number(messages[0]?.offset) !== position) return;
      for (let first = 0; first < messages.length; first += commitEvery) {
        const part = messages.slice(first, first + commitEvery);
        const next = await take(part, heartbeat);
        resolveOffset(String(next - 1));
        sayIfDone();
      }
    },
  });
}
process.on("message", () => consumer.disconnect().finally(() => process.exit(0)));

function sayIfDone(): boolean {
  const isDone = position >= Number(events);
  if (isDone) process.send?.("done");
  return isDone;
}

/**
 * Counts one commit's worth of records, stored in smaller parts, and gives the offset after them. The manners differ in nothing
 * but where the position goes, and when. `heartbeat` is called after each part: on a slow disk all of them take longer than Kafka
 * waits for a consumer that is not heard of, and one that is taken for dead each time never gets to commit.
 */
async function take(messages: readonly KafkaMessage[], heartbeat: () => Promise<void>): Promise<number> {
  const next = after(messages);
  if (manner === "at-most-once") await commit(next);
  for (let first = 0; first < messages.length; first += storeEvery) {
    const part = messages.slice(first, first + storeEvery);
    for (const { key } of part) counts[String(key)] = (counts[String(key)] ?? 0) + 1;
    await pause(workMs);
    const counted: Counted = { counts, next: after(part) };
    await replaceDurably(path, JSON.stringify(counted));
    if (manner === "exactly-once") position = counted.next;
    process.send?.("stored");
    await heartbeat();
  }
  if (manner === "at-least-once") await commit(next);
  return next;
}

function after(messages: readonly KafkaMessage[]): number {
  return Number(messages.at(-1)?.offset) + 1;
}

async function commit(next: number): Promise<void> {
  await consumer.commitOffsets([{ topic, partition: 0, offset: String(next) }]);
  position = next;
}

async function committed(): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
  await admin.disconnect();
  return Number(found?.partitions[0]?.offset ?? 0);
}
