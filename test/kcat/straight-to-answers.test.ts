import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, inject, test } from "vitest";
import { RunningCluster } from "../cluster/running-cluster.ts";
import { Client } from "../fault/client.ts";

let cluster: RunningCluster | undefined;

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
  cluster = undefined;
});

/** One record per line, without keys or headers. */
async function put(topic: string, lines: readonly string[]): Promise<void> {
  const child = spawn(inject("kcat"), [
    "-q",
    "-P",
    "-b",
    inject("kafkaBrokers").join(","),
    "-t",
    topic,
    "-p",
    "1",
  ]);
  child.stdin.end(`${lines.join("\n")}\n`);
  const [code] = await once(child, "close");
  expect(code).toBe(0);
}

test("what another producer puts into the topic is in the merged answer at once, and what is no event of it among the dead letters", async () => {
  cluster = await RunningCluster.deploy();
  const { name } = cluster.visit;
  const [serving] = await Promise.all([
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  await put(name, [
    JSON.stringify({ place: "bare", stay: 1 }),
    JSON.stringify({ place: "bare", stay: 2 }),
    "no event",
    JSON.stringify({
      ...{ specversion: "1.0", id: "1", source: "kcat", type: name, time: "2001-01-01T08:00:00Z" },
      data: { place: "structured", stay: 3 },
    }),
  ]);
  const node = new Client(serving.url);
  const { rows } = await node.rows("places", { groupBy: "place", orderBy: "place", after: `${name}@1:4` });
  expect(rows).toMatchObject([
    { place: "bare", visits: 2, stay: 3 },
    { place: "structured", visits: 1, stay: 3 },
  ]);

  await node.runIsDone(await node.startRun());
  const { deadLetters } = await node.get<{ deadLetters: unknown }>("/v1/dead-letters");
  expect(deadLetters).toMatchObject([
    { topic: name, code: "TIDEMARK_EVENT_NOT_JSON", raw: "no event", record: { partition: 1, offset: 2 } },
  ]);
});
