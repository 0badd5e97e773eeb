import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterEach, expect, inject, test } from "vitest";
import { dataFolder } from "../../cli/data-folder.ts";
import { openErasures } from "../../cli/erasures.ts";
import { runChecks } from "../../cli/verify/run-checks.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import type { LogBatch } from "../../infra/log/log.ts";
import { offset } from "../../views/cut.ts";
import { traces } from "../erasures/traces.ts";
import { Client } from "../fault/client.ts";
import { readTopics } from "./read-topics.ts";
import { RunningCluster, shortSessionMs } from "./running-cluster.ts";
import { freshVisits } from "./visits.ts";

let lifecycle = new Lifecycle();
afterEach(async () => {
  await lifecycle[Symbol.asyncDispose]();
  lifecycle = new Lifecycle();
});

/** One whose events go on coming while it is erased, and one who is never heard of again. */
const busy = "Zaphod-17";
const gone = "Slartibartfast-9";

interface Sent {
  readonly id: string;
  readonly place: string;
  readonly stay: number;
}

const piece = (from: number, to: number): readonly Sent[] =>
  Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    const place = [busy, gone, "place 2", "place 3", "place 4"][n % 5] ?? "";
    return { id: `e-${n}`, place, stay: n };
  });

function oracle(events: readonly Sent[]) {
  const rows = new Map<string, { place: string; visits: number; stay: number }>();
  for (const { place, stay } of new Map(events.map((event) => [event.id, event])).values()) {
    const row = rows.get(place) ?? { place, visits: 0, stay: 0 };
    rows.set(place, { place, visits: row.visits + 1, stay: row.stay + stay });
  }
  return [...rows.values()].sort((a, b) => (a.place < b.place ? -1 : 1));
}

/** What is in the keys' folder, by its path in there. */
async function keyFiles(data: string): Promise<ReadonlyMap<string, string>> {
  const { subjectKeys } = dataFolder(data);
  const files = new Map<string, string>();
  for (const name of await readdir(subjectKeys, { recursive: true })) {
    const text = await readFile(join(subjectKeys, name), "utf8").catch(() => undefined);
    if (text !== undefined) files.set(name, text);
  }
  return files;
}

/** Every value that Redis has under keys of that name, as it would be copied. */
async function inRedis(app: string): Promise<string> {
  const redis = new Redis(inject("redisUrl"));
  const values: string[] = [];
  for (const key of await redis.keys(`*${app}*`))
    values.push(key, (await redis.dumpBuffer(key))?.toString("latin1") ?? "");
  await redis.quit();
  return values.join("\n");
}

test("with encrypted events an erasure destroys keys: the topic stays whole and tells nothing, and answers are exact while gateways go on", async () => {
  const cluster = lifecycle.use(
    await RunningCluster.deployVisits(freshVisits({ encrypted: true }), shortSessionMs),
  );
  const { name: type } = cluster.visit;
  const [one, other, node, , , firstBatch] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("ingestion"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  const serving = new Client(node.url);
  const gateways = [new Client(one.url), new Client(other.url)] as const;
  const send = (by: Client, events: readonly Sent[], more: readonly string[] = []) => {
    const lines = events.map(({ id, place, stay }) => {
      const time = new Date(stay * 1_000).toISOString();
      return JSON.stringify({ id, source: "test", type, time, data: { place, stay } });
    });
    return by.ingest([...lines, ...more].join("\n"));
  };
  const letter = (place: string) =>
    JSON.stringify({ id: `l-${place}`, source: "test", type, data: { place, stay: "wrong" } });

  await Promise.all(gateways.map((by, i) => send(by, piece(300 * i, 300 * i + 300), [letter(gone)])));
  await serving.runIsDone(await serving.startRun());
  await firstBatch[Symbol.asyncDispose]();
  await Promise.all(gateways.map((by, i) => send(by, piece(600 + 50 * i, 650 + 50 * i))));
  const before = await keyFiles(cluster.data);
  const keysBefore = [...before].filter(([name]) => name.startsWith("keys/"));
  expect(keysBefore).toHaveLength(5);

  const sent = [...piece(0, 700)];
  const acknowledged = new Map<string, "before" | "meanwhile" | "after">(
    sent.filter(({ place }) => place === busy).map(({ id }) => [id, "before"]),
  );
  let state: "before" | "meanwhile" | "after" = "before";
  let n = 1_000;
  let isOver = false;
  const flows = [0, 1, 0, 1].map(async (i) => {
    while (!isOver) {
      const begun = state;
      const more: readonly Sent[] = [
        { id: `e-${n}`, place: busy, stay: n++ },
        { id: `e-${n}`, place: "place 3", stay: n++ },
      ];
      await send(gateways[i as 0 | 1], more);
      sent.push(...more);
      acknowledged.set(more[0]?.id ?? "", begun === state ? begun : "meanwhile");
      // So often that some are always on their way, and no oftener.
      await new Promise((resolve) => setTimeout(resolve, 8));
    }
  });
  while (acknowledged.size < 160) await new Promise((resolve) => setTimeout(resolve, 2));
  state = "meanwhile";
  const asked = await Promise.all(
    [busy, gone].map(async (key) => {
      const response = await fetch(`${node.url}/v1/subjects/${key}`, { method: "DELETE" });
      expect(response.status).toBe(202);
      return (await response.json()) as { readonly id: string };
    }),
  );
  state = "after";
  const erasures = openErasures(dataFolder(cluster.data).erasures);
  const hasFound = async () => (await erasures.pending()).every(({ found }) => found !== undefined);
  const secondBatch = await cluster.start("batch");
  while (!(await hasFound())) await new Promise((resolve) => setTimeout(resolve, 2));
  await secondBatch[Symbol.asyncDispose]();
  await cluster.start("batch");
  for (const { id } of asked) {
    const isDone = async () =>
      (await serving.get<{ readonly state: string }>(`/v1/erasures/${id}`)).state === "done";
    while (!(await isDone())) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  isOver = true;
  await Promise.all(flows);
  const end = (await send(gateways[0], piece(50_002, 50_005))).position;
  sent.push(...piece(50_002, 50_005));

  await using checking = new Lifecycle();
  const stores = await cluster.stores(checking);
  const { log } = stores;
  expect(await log.starts(type)).toEqual([0, 0, 0]);
  const batches: LogBatch[] = [];
  for (const [partition, next] of (await log.nexts(type)).entries())
    for await (const batch of log.read(type, partition, offset(0), next)) batches.push(batch);
  const legible = new Set(
    batches.flatMap(({ records }) =>
      records.map(({ value }) => (JSON.parse(Buffer.from(value).toString()) as Sent).id),
    ),
  );
  const outcomes = [...acknowledged].map(([id, when]) => `${when}: ${legible.has(id)}`);
  expect(outcomes).toContain("after: true");
  expect(outcomes.filter((each) => /before: true|after: false/.test(each))).toEqual([]);
  const left = oracle(sent.filter(({ id, place }) => place !== gone && legible.has(id)));
  const rows = async (after: string) => {
    const query = { groupBy: "place", orderBy: "place", measures: "visits,stay", after, timeout: "30s" };
    return (await serving.rows("places", query)).rows;
  };
  expect(await rows(end)).toEqual(left);
  const { result } = await serving.runIsDone(await serving.startRun());
  expect(result).toMatchObject({ generations: [{ view: "places", differing: 0 }] });
  expect(await rows(end)).toEqual(left);

  const read = await readTopics(wantedTopics(cluster.app).map(({ name }) => name));
  expect(read.filter(({ topic }) => topic === type).length).toBeGreaterThanOrEqual(sent.length);
  const inTheClear = ({ topic, text }: { topic: string; text: string }) =>
    text.includes(gone) || (topic === type && /Zaphod|place/.test(text));
  expect(read.filter(inTheClear)).toEqual([]);
  // The keys of the two are nowhere, those of the others and the next one of who came back are.
  const after = await keyFiles(cluster.data);
  const destroyed = keysBefore.filter(([name]) => after.has(name.replace("keys/", "destroyed/")));
  expect(destroyed).toHaveLength(2);
  expect([...after.keys()].filter((name) => /^(keys|retired|bounds|next)\//.test(name))).toHaveLength(4);
  const secrets = destroyed.map(([, text]) => (JSON.parse(text) as { readonly key: string }).key);
  expect(await traces(cluster.data, [gone, ...secrets])).toEqual([]);
  const redis = await inRedis(cluster.app.name);
  expect([busy, gone, ...secrets].filter((mark) => redis.includes(mark))).toEqual([]);
  expect(cluster.said.filter((line) => line.includes(`"level":50`))).toEqual([]);
  for await (const { name, problems } of runChecks(cluster.app, dataFolder(cluster.data), stores, checking))
    expect([name, problems]).toEqual([name, []]);
});
