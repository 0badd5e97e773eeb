import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Row } from "../fault/client.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { Platform } from "../fault/platform.ts";

let data: string;
let platform: Platform;
let lines: readonly string[];

beforeAll(async () => {
  lines = await flightLines(39_000);
  data = await mkdtemp(join(tmpdir(), "tidemark-up-"));
  platform = await Platform.start(data);
}, 60_000);

afterAll(async () => {
  await platform.kill();
  await rm(data, { recursive: true, force: true });
});

const post = (from: number, to: number) => platform.ingest(`${lines.slice(from, to).join("\n")}\n`);

async function total(parameters: Readonly<Record<string, string>> = {}): Promise<Row | undefined> {
  return (await platform.rows("totals-by-hour", { groupBy: "", ...parameters })).rows[0];
}

test("what was acknowledged is in the answer that is asked for after its position", async () => {
  const { position } = await post(0, 3_000);
  expect(await total({ after: position })).toMatchObject({ flights: 3_000 });
});

test("events that are posted again change nothing, in neither layer", async () => {
  const before = await total();
  const { accepted, position } = await post(500, 1_500);
  expect(accepted).toBe(1_000);
  expect(await total({ after: position })).toEqual(before);
  await platform.runIsDone(await platform.startRun());
  await untilServedBatch();
  expect(await total({ layer: "batch" })).toEqual(before);
  expect(await total()).toEqual(before);
  await post(2_000, 3_000);
  await platform.caughtUp();
  expect(await total()).toEqual(before);
  expect(await total({ layer: "speed" })).toMatchObject({ flights: 0 });
});

test("a merged answer is the batch answer and the speed answer together", async () => {
  const { position } = await post(3_000, 6_000);
  expect(await total({ after: position })).toMatchObject({ flights: 6_000 });
  expect(await total({ layer: "batch" })).toMatchObject({ flights: 3_000 });
  expect(await total({ layer: "speed" })).toMatchObject({ flights: 3_000 });
});

test("rolled back and forward again, every answer stays the same", async () => {
  const { result } = await platform.runIsDone(await platform.startRun());
  const made = (result as { generations: readonly { view: string; id: string }[] }).generations;
  const before = await untilServedBy(made.find(({ view }) => view === "airport-hours")?.id ?? "");
  const { generations } = await platform.get<{ generations: readonly { id: string; isServing: boolean }[] }>(
    "/v1/views/airport-hours",
  );
  const [newest, older] = generations;
  expect(newest?.isServing).toBe(true);
  for (const id of [older?.id ?? "", newest?.id ?? ""]) {
    const response = await platform.post(`/v1/views/airport-hours/generations/${id}/activate`);
    expect(response.status).toBe(200);
    const answer = await untilServedBy(id);
    expect(answer.rows).toEqual(before.rows);
  }
});

/** A generation is served a moment after its run is done. */
async function untilServedBatch(): Promise<void> {
  while ((await platform.rows("totals-by-hour")).provenance.generation === null);
}

async function untilServedBy(generation: string) {
  for (;;) {
    const answer = await platform.rows("airport-hours");
    if (answer.provenance.generation === generation) return answer;
  }
}

test("compare shows no difference where there is none", async () => {
  const { rows } = await platform.get<{ rows: readonly { difference: Row }[] }>(
    "/v1/views/airport-hours/compare?limit=100000",
  );
  expect(rows.length).toBeGreaterThan(500);
  for (const { difference } of rows) expect(new Set(Object.values(difference))).toEqual(new Set([0]));
  const differing = await platform.get<{ rows: readonly Row[] }>(
    "/v1/views/airport-hours/compare?differing=true",
  );
  expect(differing.rows).toEqual([]);
});

test("stopped and started again, it answers the same, and goes on", async () => {
  const { position } = await post(6_000, 8_000);
  const before = await total({ after: position });
  expect(await platform.stop()).toBe(0);
  platform = await Platform.start(data);
  await platform.caughtUp();
  expect(await total()).toEqual(before);
  const more = await post(8_000, 9_000);
  expect(await total({ after: more.position })).toMatchObject({ flights: 9_000 });
});

test("no answer claims to be complete without what was acknowledged before it was asked for", async () => {
  const held = Number((await total())?.flights);
  let acknowledged = 0;
  const posting = (async () => {
    for (let from = 9_000; from < lines.length; from += 3_000)
      acknowledged += (await post(from, from + 3_000)).accepted;
  })();
  let isPosting = true;
  const ended = posting.finally(() => {
    isPosting = false;
  });
  const claims = (async () => {
    while (isPosting) {
      const least = held + acknowledged;
      const { rows, provenance } = await platform.rows("totals-by-hour", { groupBy: "" });
      if (provenance.complete) expect(Number(rows[0]?.flights)).toBeGreaterThanOrEqual(least);
    }
  })();
  await Promise.all([ended, claims]);
});

test("a second owner of the folder is refused by name", async () => {
  await expect(Platform.start(data)).rejects.toThrow(/TIDEMARK_STORE_LOCKED: .* is in use by process \d+/);
});
