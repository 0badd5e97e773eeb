import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, expect, inject, test } from "vitest";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { Client } from "../fault/client.ts";
import { RunningCluster, shortSessionMs } from "./running-cluster.ts";
import { linesOf, total, visitsOf } from "./sent-visits.ts";
import { TopicFollower } from "./topic-follower.ts";

const script = fileURLToPath(new URL("./group-process.ts", import.meta.url));

let lifecycle = new Lifecycle();
afterEach(async () => {
  await lifecycle[Symbol.asyncDispose]();
  lifecycle = new Lifecycle();
});

/** A consumer group in a process of its own. */
class GroupProcess {
  /** By partition, the offsets that it says it has handled. */
  readonly offsets: Record<number, number[]> = {};
  readonly #child: ChildProcess;

  constructor(topic: string, group: string) {
    const args = [inject("kafkaBrokers").join(","), topic, group, String(shortSessionMs)];
    const child = spawn(process.execPath, ["--import", "tsx/esm", script, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [partition = 0, offset = 0] = line.split(" ").map(Number);
      this.offsets[partition] ??= [];
      this.offsets[partition].push(offset);
    });
  }

  get count(): number {
    return Object.values(this.offsets).reduce((sum, { length }) => sum + length, 0);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await ended;
  }
}

const send = (gateway: Client, type: string, from: number, length: number) =>
  gateway.ingest(linesOf(type, visitsOf(from, length)));

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const counting = (from: number, next: number) => Array.from({ length: next - from }, (_, i) => from + i);

test("consumer groups of others read the events' topic in order, one slow, one killed and begun again, and answers are as if they were not there", async () => {
  const cluster = lifecycle.use(await RunningCluster.deploy());
  const { name } = cluster.visit;
  const group = (which: string) => `${cluster.app.name}.${which}`;
  let letGo: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const first = new GroupProcess(name, group("killed"));
  lifecycle.defer(() => first.kill());
  const [ingestion, serving, slow] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("serving"),
    // It handles no more than one record until it is let go.
    TopicFollower.start(name, group("slow"), ({ offset }) => (offset === 0 ? Promise.resolve() : held)),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  lifecycle.use(slow);
  const [gateway, node] = [new Client(ingestion.url), new Client(serving.url)];
  const answered = async (position: string) => {
    const after = `timeout=20s&after=${encodeURIComponent(position)}`;
    const { rows } = await node.get<{ rows: unknown }>(
      `/v1/views/places/rows?groupBy=&measures=visits,stay&${after}`,
    );
    return rows;
  };

  const { position } = await send(gateway, name, 0, 3_000);
  await until(() => first.count >= 100);
  await first.kill();
  const before = structuredClone(first.offsets);
  const second = new GroupProcess(name, group("killed"));
  lifecycle.defer(() => second.kill());
  expect(await answered(position)).toEqual([total(3_000)]);
  await node.runIsDone(await node.startRun());
  const { position: end } = await send(gateway, name, 3_000, 1_000);
  expect(await answered(end)).toEqual([total(4_000)]);
  expect(slow.records.length).toBeLessThan(10);

  letGo();
  await until(() => slow.records.length === 4_000);
  const ends = Object.values(slow.offsets).map(({ length }) => length);
  expect(ends.reduce((a, b) => a + b)).toBe(4_000);
  for (const [partition, offsets] of Object.entries(slow.offsets)) {
    expect(offsets).toEqual(counting(0, offsets.length));
    const next = offsets.length;
    await until(() => second.offsets[Number(partition)]?.at(-1) === next - 1);
    // Those that it had handled and not committed came once more; none was passed over.
    const handled = before[Number(partition)] ?? [];
    expect(handled).toEqual(counting(0, handled.length));
    const [again = 0] = second.offsets[Number(partition)] ?? [];
    expect(again).toBeLessThanOrEqual(handled.length);
    expect(second.offsets[Number(partition)]).toEqual(counting(again, next));
  }
  expect(cluster.said.join("")).toBe("");
});
