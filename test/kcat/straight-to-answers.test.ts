import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, inject, test } from "vitest";
import { RunningCluster } from "../cluster/running-cluster.ts";

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

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url);
  const answer = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return answer as T;
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
  const after = encodeURIComponent(`${name}@1:4`);
  const { rows } = await get<{ rows: unknown }>(
    `${serving.url}/v1/views/places/rows?groupBy=place&orderBy=place&after=${after}`,
  );
  expect(rows).toMatchObject([
    { place: "bare", visits: 2, stay: 3 },
    { place: "structured", visits: 1, stay: 3 },
  ]);

  const { id } = (await (await fetch(`${serving.url}/v1/batch/runs`, { method: "POST" })).json()) as {
    id: string;
  };
  for (let state = ""; state !== "succeeded"; ) {
    ({ state } = await get<{ state: string }>(`${serving.url}/v1/batch/runs/${id}`));
    expect(["queued", "running", "succeeded"]).toContain(state);
  }
  const { deadLetters } = await get<{ deadLetters: unknown }>(`${serving.url}/v1/dead-letters`);
  expect(deadLetters).toMatchObject([
    { topic: name, code: "TIDEMARK_EVENT_NOT_JSON", raw: "no event", record: { partition: 1, offset: 2 } },
  ]);
});
