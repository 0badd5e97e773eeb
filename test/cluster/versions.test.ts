import { afterEach, expect, test } from "vitest";
import { Client } from "../fault/client.ts";
import { RunningCluster } from "./running-cluster.ts";
import { linesOf, total, visitsOf } from "./sent-visits.ts";

let cluster: RunningCluster | undefined;

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
  cluster = undefined;
});

/** How many visits so far. */
let sent = 0;

async function send(url: string, length: number): Promise<string> {
  const lines = linesOf(cluster?.visit.name ?? "", visitsOf(sent, length));
  sent += length;
  return (await new Client(url).ingest(lines)).position;
}

/** What a node answers by the name: the version and the stay in all, or the code of the refusal. */
async function answered(url: string, name: string, after?: string): Promise<readonly unknown[]> {
  const parameters = new URLSearchParams({ groupBy: "", measures: "stay", ...(after && { after }) });
  const response = await fetch(`${url}/v1/views/${name}/rows?${parameters}`);
  const answer = (await response.json()) as {
    code?: string;
    rows: { stay: number }[];
    provenance: { version: number };
  };
  if (!response.ok) return [answer.code];
  return [answer.provenance.version, answer.rows[0]?.stay];
}

async function runBatch(url: string): Promise<void> {
  const started = await fetch(`${url}/v1/batch/runs`, { method: "POST" });
  const { id } = (await started.json()) as { id: string };
  for (;;) {
    const run = (await (await fetch(`${url}/v1/batch/runs/${id}`)).json()) as { state: string };
    if (run.state === "succeeded") return;
    expect(["queued", "running"], JSON.stringify(run)).toContain(run.state);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Asks until the answer is as it should be; on the way, only what may be answered meanwhile. */
async function becomes(url: string, right: readonly unknown[], meanwhile: readonly (readonly unknown[])[]) {
  for (;;) {
    const answer = await answered(url, "places");
    if (JSON.stringify(answer) === JSON.stringify(right)) return;
    expect(meanwhile).toContainEqual(answer);
  }
}

const post = (url: string, path: string, body?: object) =>
  fetch(`${url}/v1/views/places/${path}`, {
    method: "POST",
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });

test("a version is built and flipped to on one node, the others follow, and each answer is of one version", async () => {
  cluster = await RunningCluster.deploy(true);
  sent = 0;
  const ingestion = await cluster.start("ingestion");
  // Before anybody folds: of the second version all this is for the batch layer.
  await send(ingestion.url, 3_000);
  const [one, other] = await Promise.all([
    cluster.start("serving"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("batch"),
    cluster.start("batch"),
  ]);
  const position = await send(ingestion.url, 70);
  expect(await answered(one.url, "places", position)).toEqual([1, total(3_070).stay]);
  for (const { url } of [one, other]) {
    expect(await answered(url, "places@2")).toEqual(["TIDEMARK_VIEW_BUILDING"]);
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
  }
  expect((await post(one.url, "active", { version: 2 })).status).toBe(503);

  await runBatch(one.url);
  const later = await send(ingestion.url, 70);
  const [first, second] = [
    [1, total(3_140).stay],
    [2, 2 * total(3_140).stay],
  ];
  for (const { url } of [one, other]) {
    expect(await answered(url, "places@1", later)).toEqual(first);
    while ((await answered(url, "places@2"))[0] !== 2);
    expect(await answered(url, "places@2", later)).toEqual(second);
    expect(await answered(url, "places", later)).toEqual(first);
  }
  expect(await (await post(one.url, "active", { version: 2 })).json()).toMatchObject({ was: 1, active: 2 });
  expect(await answered(one.url, "places")).toEqual(second);
  await becomes(other.url, second, [first]);
  expect(await (await post(other.url, "rollback")).json()).toMatchObject({ was: 2, active: 1 });
  expect(await answered(other.url, "places")).toEqual(first);
  await becomes(one.url, first, [second]);
  const diff = await (await fetch(`${other.url}/v1/views/places/diff?to=2`)).json();
  expect(diff).toMatchObject({
    from: { version: 1 },
    to: { version: 2 },
    rows: { added: 0, gone: 0, equal: 0 },
  });

  // The run before could hold version 3 against nothing; of this one all nodes follow the flip.
  await runBatch(other.url);
  const third = [3, 3 * total(3_140).stay];
  for (const { url } of [one, other]) await becomes(url, third, [first]);
  const described = async (url: string) =>
    (await (await fetch(`${url}/v1/views/places`)).json()) as { versions: readonly unknown[] };
  expect(await described(other.url)).toMatchObject({ flipped: { by: "policy" }, former: 1 });
  expect(await (await post(one.url, "rollback")).json()).toMatchObject({ was: 3, active: 1 });
  await send(ingestion.url, 70);
  await runBatch(one.url);
  const { versions } = await described(one.url);
  expect(versions).toMatchObject([
    { isActive: true },
    { held: null },
    { held: "it was active before, and only a flip by hand leads back to it" },
  ]);
});
