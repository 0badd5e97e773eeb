import { type ChildProcess, fork } from "node:child_process";
import { on, once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KafkaLog } from "../../infra/kafka/kafka-log.ts";
import { kafkaSettings } from "../../infra/kafka/settings.ts";
import type { Counted, Manner } from "./manners.ts";

export interface LessonOptions {
  readonly broker: string;
  /** A topic of one partition with nothing else in it; see `fill`. */
  readonly topic: string;
  readonly manner: Manner;
  /** How often the consumer is killed at a random moment of its work. */
  readonly kills: number;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** How long Kafka waits for a consumer that is not heard of before another has its partition. */
  readonly sessionMs: number;
}

/** What a manner has come to, in events. */
export interface Lesson {
  readonly manner: Manner;
  readonly kills: number;
  readonly counted: number;
  readonly lost: number;
  readonly doubled: number;
}

export const events = 20_000;
const keys = 50;
const worker = fileURLToPath(new URL("./worker.ts", import.meta.url));
/** Having stored its counts this often since its start, the consumer has a part of its work before it. */
const mostStores = 30;

/** Puts the events into the topic, the same number of each key. */
export async function fill(broker: string, topic: string): Promise<void> {
  await using log = await KafkaLog.open({
    settings: kafkaSettings({ KAFKA_BROKERS: broker }),
    topics: [{ name: topic, partitions: 1 }],
  });
  const value = Buffer.from("{}");
  await log.append(
    Array.from({ length: events }, (_, i) => ({ topic, partition: 0, key: `key ${i % keys}`, value })),
  );
}

/** Has a consumer count the events, kills it again and again, and holds what it has in the end against what was sent. */
export async function learn(options: LessonOptions): Promise<Lesson> {
  const { broker, topic, manner, kills, random, sessionMs } = options;
  const folder = await mkdtemp(join(tmpdir(), "tidemark-semantics-"));
  const path = join(folder, "counts.json");
  const start = () =>
    fork(worker, [broker, manner, topic, path, String(events), String(sessionMs)], {
      execArgv: ["--import", import.meta.resolve("tsx/esm")],
    });
  try {
    let killed = 0;
    for (; killed < kills; killed++) {
      const consumer = start();
      await says(consumer, "stored", 1 + Math.floor(random() * mostStores));
      const ended = once(consumer, "exit");
      consumer.kill("SIGKILL");
      await ended;
    }
    const last = start();
    const ended = once(last, "exit");
    await says(last, "done");
    last.send("end");
    await ended;
    const { counts } = JSON.parse(await readFile(path, "utf8")) as Counted;
    return { manner, kills: killed, ...heldAgainstSent(counts) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function heldAgainstSent(counts: Counted["counts"]): Pick<Lesson, "counted" | "lost" | "doubled"> {
  const each = events / keys;
  let [counted, lost, doubled] = [0, 0, 0];
  for (let i = 0; i < keys; i++) {
    const count = counts[`key ${i}`] ?? 0;
    counted += count;
    lost += Math.max(0, each - count);
    doubled += Math.max(0, count - each);
  }
  return { counted, lost, doubled };
}

/** Waits until the consumer has said so, this many times. */
async function says(consumer: ChildProcess, what: string, times = 1): Promise<void> {
  let said = 0;
  for await (const [message] of on(consumer, "message", { close: ["exit"] })) {
    if (message === what) said++;
    if (said === times) return;
  }
  throw new Error(`the consumer has ended by itself (${consumer.exitCode})`);
}
