import { afterEach, expect, test } from "vitest";
import { RunningCluster } from "./running-cluster.ts";

let cluster: RunningCluster | undefined;

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
  cluster = undefined;
});

interface Rows {
  readonly rows: readonly { readonly place: string; readonly visits: number; readonly stay: number }[];
  readonly provenance: { readonly generation: { readonly id: string } | null; readonly complete: boolean };
}

async function post(url: string, from: number, length: number, type: string): Promise<string> {
  const lines = Array.from({ length }, (_, i) => {
    const n = from + i;
    return JSON.stringify({
      ...{ id: String(n), source: "test", type, time: new Date(n * 1_000).toISOString() },
      data: { place: `place ${n % 7}`, stay: n },
    });
  });
  const response = await fetch(`${url}/v1/events`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: lines.join("\n"),
  });
  expect(response.status).toBe(202);
  return ((await response.json()) as { position: string }).position;
}

async function totals(url: string, after: string): Promise<Rows> {
  const response = await fetch(
    `${url}/v1/views/places/rows?groupBy=place&orderBy=place&limit=100&after=${encodeURIComponent(after)}`,
  );
  const answer = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return answer as Rows;
}

/** Of events 0 … n-1. */
function expected(n: number) {
  return Array.from({ length: 7 }, (_, place) => {
    const those = Array.from({ length: n }, (_, i) => i).filter((i) => i % 7 === place);
    return { place: `place ${place}`, visits: those.length, stay: those.reduce((a, b) => a + b, 0) };
  });
}

async function runBatch(
  url: string,
): Promise<{ readonly generations: readonly { readonly differing: number | null }[] }> {
  const started = await fetch(`${url}/v1/batch/runs`, { method: "POST" });
  expect(started.status).toBe(202);
  const { id } = (await started.json()) as { id: string };
  for (;;) {
    const run = (await (await fetch(`${url}/v1/batch/runs/${id}`)).json()) as {
      state: string;
      error: unknown;
      result: { generations: { differing: number | null }[] };
    };
    if (run.state === "succeeded") return run.result;
    expect(["queued", "running"], JSON.stringify(run)).toContain(run.state);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test("two speed workers, two serving nodes: both answer exactly what was acknowledged, before and after a batch run, with no drift", async () => {
  cluster = await RunningCluster.deploy();
  const { name } = cluster.visit;
  const [ingestion, one, other] = await Promise.all([
    cluster.start("ingestion"),
    cluster.start("serving"),
    cluster.start("serving"),
    cluster.start("speed"),
    cluster.start("speed"),
    cluster.start("batch"),
  ]);
  const first = await post(ingestion.url, 0, 5_000, name);
  for (const { url } of [one, other]) expect((await totals(url, first)).rows).toMatchObject(expected(5_000));
  expect((await runBatch(one.url)).generations).toMatchObject([{ differing: 0 }]);
  await post(ingestion.url, 5_000, 2_000, name);
  const second = await post(ingestion.url, 6_000, 2_000, name);
  for (const { url } of [one, other]) {
    const { rows, provenance } = await totals(url, second);
    expect(rows).toMatchObject(expected(8_000));
    expect(provenance.generation).not.toBeNull();
  }
  expect((await runBatch(other.url)).generations).toMatchObject([{ differing: 0 }]);
  for (const { url } of [one, other]) expect((await totals(url, second)).rows).toMatchObject(expected(8_000));
});
