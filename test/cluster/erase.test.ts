import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { dataFolder } from "../../cli/data-folder.ts";
import { openErasures } from "../../cli/erasures.ts";
import { runChecks } from "../../cli/verify/run-checks.ts";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { changesTopic } from "../../views/changes-topic.ts";
import { count, defineApp, defineView, sum } from "../../views/index.ts";
import { partitionOf } from "../../views/partition.ts";
import { traces } from "../erasures/traces.ts";
import { Client } from "../fault/client.ts";
import { readTopics } from "./read-topics.ts";
import { RunningCluster, shortSessionMs } from "./running-cluster.ts";
import { byPlace, linesOf, type SentVisit } from "./sent-visits.ts";
import { freshVisits } from "./visits.ts";

let lifecycle = new Lifecycle();
afterEach(async () => {
  await lifecycle[Symbol.asyncDispose]();
  lifecycle = new Lifecycle();
});

const subject = "Zaphod-17";
/** Whose events go into the same partition, where duplicates are looked for. */
const neighbour =
  Array.from({ length: 20 }, (_, i) => `place ${i}`).find(
    (p) => partitionOf(p, 3) === partitionOf(subject, 3),
  ) ?? "";

/** Events `[from, to)`: of the subject one in five. */
function piece(from: number, to: number): readonly SentVisit[] {
  return Array.from({ length: to - from }, (_, i) => {
    const n = from + i;
    return n % 5 === 0
      ? { id: `zid-${n}`, place: subject, stay: n }
      : { id: `o-${n}`, place: `place ${n % 20}`, stay: n };
  });
}

test("an erasure asked of a serving node while events flow and the batch role comes and goes: answers, topics and files have nothing of the subject", async () => {
  const visits = freshVisits({ publish: true });
  const bySpeed = defineView({
    ...{ name: "by-speed", layers: "speed", publish: true, from: visits.visit },
    by: (f) => ({ place: f.place }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
  });
  const app = defineApp({
    name: visits.app.name,
    views: [...visits.app.views, bySpeed],
    batch: { schedule: null },
  });
  const cluster = lifecycle.use(await RunningCluster.deployVisits({ ...visits, app }, shortSessionMs));
  const { name: type } = cluster.visit;
  const [ingestion, one, other, , , firstBatch] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("serving"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  const nodes = [new Client(one.url), new Client(other.url)] as const;
  const gateway = new Client(ingestion.url);
  const send = async (events: readonly SentVisit[], more: readonly string[] = []) => {
    return (await gateway.ingest([linesOf(type, events), ...more].join("\n"))).position;
  };
  const letter = (place: string) =>
    JSON.stringify({ id: `zid-${place}`, source: "test", type, data: { place, stay: "wrong" } });

  const sent = [...piece(0, 600)];
  await send(sent, [letter(subject), letter("place 3"), `{"broken of ${subject}`]);
  await nodes[0].runIsDone(await nodes[0].startRun());
  await firstBatch[Symbol.asyncDispose]();
  sent.push(...piece(600, 900));
  const before = await send(piece(600, 900), [letter(subject)]);
  const rows = async (node: Client, view: string, after: string) => {
    const asked = { groupBy: "place", orderBy: "place", measures: "visits,stay", after, timeout: "30s" };
    return (await node.rows(view, asked)).rows;
  };
  for (const node of nodes) expect(await rows(node, "by-speed", before)).toEqual(byPlace(sent));

  // Nobody does it yet; what comes meanwhile is of others.
  const response = await fetch(`${one.url}/v1/subjects/${subject}`, { method: "DELETE" });
  const { id } = (await response.json()) as { readonly id: string };
  expect(response.status).toBe(202);
  expect(await nodes[1].get(`/v1/erasures/${id}`)).toMatchObject({ state: "pending", records: null });
  const left = sent.filter(({ place }) => place !== subject);
  let isDone = false;
  const flow = (async () => {
    for (let n = 1_000; !isDone; n += 10) {
      const more = piece(n, n + 10).filter(({ place }) => place !== subject);
      left.push(...more);
      await send(more);
    }
  })();
  const erasures = openErasures(dataFolder(cluster.data).erasures);
  const hasFound = async () => (await erasures.pending()).every(({ found }) => found !== undefined);
  const secondBatch = await cluster.start("batch");
  while (!(await hasFound())) await new Promise((resolve) => setTimeout(resolve, 2));
  await secondBatch[Symbol.asyncDispose]();
  await cluster.start("batch");
  let erasure: { readonly state: string } = { state: "pending" };
  while (erasure.state !== "done") {
    await new Promise((resolve) => setTimeout(resolve, 20));
    erasure = await nodes[1].get(`/v1/erasures/${id}`);
  }
  isDone = true;
  await flow;
  expect(erasure).toMatchObject({
    records: { [type]: 180 },
    deadLetters: 3,
    compactedAt: expect.any(String),
  });

  // An id of theirs that comes again is a new event; the others are of every partition.
  const again = { id: "zid-895", place: neighbour, stay: 7 };
  const others = piece(50_000, 50_050).filter(({ place }) => place !== subject);
  left.push(again, ...others);
  const end = await send([again, again, ...others]);
  const check = async () => {
    for (const node of nodes)
      for (const view of ["places", "by-speed"])
        expect([view, await rows(node, view, end)]).toEqual([view, byPlace(left)]);
  };
  await check();
  const { deadLetters } = await nodes[0].get<{ deadLetters: readonly object[] }>("/v1/dead-letters");
  expect(deadLetters).toMatchObject([{ code: "TIDEMARK_EVENT_DATA", isReplayed: false }]);
  const { result } = await nodes[0].runIsDone(await nodes[0].startRun());
  expect(result).toMatchObject({ generations: [{ view: "places", differing: 0 }] });
  await check();

  const topics = wantedTopics(app).map(({ name }) => name);
  const published = app.views.map((view) => changesTopic(app.name, view));
  const isFree = (text: string) => !/Zaphod-17|zid-(?!895|place 3)/.test(text);
  const read = await readTopics(topics);
  expect(read.filter(({ topic, text }) => !published.includes(topic) && !isFree(text))).toEqual([]);
  // A compacted topic tells that the rows are gone, and lets go of them by and by.
  for (const topic of published) {
    const table = new Map(
      read.filter((each) => each.topic === topic).map(({ text }) => [text.split("\n")[0], text]),
    );
    const told = [...table].filter(([key]) => key?.includes(subject) === true);
    expect([topic, told.length > 0]).toEqual([topic, true]);
    for (const [, text] of told) expect(text).not.toContain(`"row"`);
  }
  expect(await traces(join(cluster.data), [subject, "zid-600"])).toEqual([]);
  expect(
    cluster.said.filter((line) => line.includes(`"level":50`) && !line.includes("has let go of records")),
  ).toEqual([]);

  await using checking = new Lifecycle();
  const stores = await cluster.stores(checking);
  for await (const { name, problems } of runChecks(app, dataFolder(cluster.data), stores, checking)) {
    expect([name, problems]).toEqual([name, []]);
  }
});
