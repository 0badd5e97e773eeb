import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { changesTopic } from "../../views/changes-topic.ts";
import { parsePosition, positionCovered } from "../../views/cut.ts";
import { Client } from "../fault/client.ts";
import { UpProcess } from "../fault/up-process.ts";
import { RunningCluster, shortSessionMs } from "./running-cluster.ts";
import { TopicFollower } from "./topic-follower.ts";
import { freshVisits } from "./visits.ts";

const appPath = fileURLToPath(new URL("./published-app.ts", import.meta.url));

let lifecycle = new Lifecycle();
afterEach(async () => {
  await lifecycle[Symbol.asyncDispose]();
  lifecycle = new Lifecycle();
});

let sent = 0;

/** Visits of seven places in ever later hours, some of them in hours long past. */
function send(gateway: Client, type: string, length: number) {
  const lines = Array.from({ length }, () => {
    const n = sent++;
    const time = new Date((n % 5 === 0 ? 0 : n) * 60_000).toISOString();
    return JSON.stringify({
      ...{ id: String(n), source: "test", type, time },
      data: { place: `place ${n % 7}`, stay: n },
    });
  });
  return gateway.ingest(lines.join("\n"));
}

interface Told {
  readonly row: { readonly place: string; readonly hour: string };
  readonly position: string;
  readonly generation: string | null;
}

const toldBy = (follower: TopicFollower): readonly Told[] =>
  [...follower.table.values()].map((text) => JSON.parse(text) as Told);

/** The rows, in one order. */
const inOrder = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

test("two consumer groups each read all changes, and have by key what rows answer, also when the publisher is killed and another takes over", async () => {
  sent = 0;
  const visits = freshVisits({ publish: true });
  const cluster = lifecycle.use(await RunningCluster.deployVisits(visits, shortSessionMs));
  const { name } = cluster.visit;
  const topic = changesTopic(cluster.app.name, { family: "places", version: 1 });
  const follow = (group: string) => TopicFollower.start(topic, `${cluster.app.name}.${group}`);
  const [ingestion, first, one, other] = await Promise.all([
    cluster.start("ingestion"),
    UpProcess.start(["--role", "serving", "--app", appPath, "--data", cluster.data, "--port", "0"], {
      ...cluster.environment,
      TEST_APP: cluster.app.name,
    }),
    follow("one"),
    follow("other"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  const groups = [one, other];
  for (const group of groups) lifecycle.use(group);
  lifecycle.defer(() => first.kill());
  // Who is there for longest publishes.
  const serving = await cluster.start("serving");
  const [gateway, node] = [new Client(ingestion.url), new Client(serving.url)];

  /** Both groups have what a node answers that covers this position. */
  const agree = async (position: string) => {
    await node.get(`/v1/views/places/rows?limit=1&timeout=20s&after=${encodeURIComponent(position)}`);
    const rows = inOrder((await node.rows("places")).rows);
    await until(() =>
      groups.every((group) => inOrder(toldBy(group).map(({ row }) => row)).join() === rows.join()),
    );
  };
  await agree((await send(gateway, name, 700)).position);
  await node.runIsDone(await node.startRun());
  const late = await send(gateway, name, 300);
  await agree(late.position);
  // What has changed since says so: by the position, and by the generation beneath.
  const told = toldBy(one);
  expect(told.some(({ generation }) => generation !== null)).toBe(true);
  const last = parsePosition(late.position);
  expect(told.some(({ position }) => positionCovered(cutOf(position), last))).toBe(true);

  const publishes = async () => /^tidemark_changes_publisher 1$/m.test(await metrics(serving.url));
  expect(await publishes()).toBe(false);
  const inFlight = send(gateway, name, 400);
  await first.kill();
  await inFlight;
  const { position } = await send(gateway, name, 200);
  await until(publishes);
  await agree(position);
  await agree((await send(gateway, name, 100)).position);

  // Each group has read every record of the topic, in order.
  const [offsets, others] = groups.map((group) => group.offsets);
  expect(others).toEqual(offsets);
  for (const partition of Object.values(offsets ?? {})) {
    expect(partition).toEqual(Array.from({ length: partition.length }, (_, i) => i));
  }
  expect(cluster.said.join("")).not.toContain("can't be published");
});

function cutOf(position: string) {
  return Object.fromEntries(
    [...parsePosition(position)].map(([topic, nexts]) => [topic, [...nexts.values()]]),
  );
}

async function metrics(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}
