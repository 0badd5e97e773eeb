import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "../../cli/client.ts";
import { hasZeroDrift, runBatch } from "../../examples/demo/batch-runs.ts";
import { freePort, TidemarkProcess } from "../../examples/demo/tidemark-process.ts";
import app, { goalReached, pageViewed } from "../../examples/web-analytics/app.ts";
import { findDifferences } from "../../examples/web-analytics/differences.ts";
import { answerExactly, type ExactRow } from "../../examples/web-analytics/exact-answers.ts";
import { examplesOf, holdAnswers } from "../../examples/web-analytics/held.ts";
import { ingestTraffic } from "../../examples/web-analytics/ingest.ts";
import { type Question, questions } from "../../examples/web-analytics/questions.ts";
import { type TrafficLines, traffic } from "../../examples/web-analytics/traffic.ts";
import { Decoder } from "../../views/decoder.ts";
import { shownView } from "../../views/view.ts";

const events = 8_000;
const halfHourMs = 30 * 60_000;
const dayMs = 48 * halfHourMs;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-web-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function textOf(pieces: Iterable<TrafficLines>): string {
  return Buffer.concat([...pieces].map(({ bytes }) => bytes)).toString();
}

test("the same seed gives the same bytes, another seed another week", () => {
  const one = textOf(traffic({ seed: 7, events: 2_000 }));
  expect(textOf(traffic({ seed: 7, events: 2_000 })) === one).toBe(true);
  expect(textOf(traffic({ seed: 8, events: 2_000 })) === one).toBe(false);
});

test("the traffic is as many events as were asked for, of both types, each one that the app takes", () => {
  const pieces = [...traffic({ seed: 1, events })];
  const lines = textOf(pieces).trimEnd().split("\n");
  expect(lines).toHaveLength(events);
  expect(pieces.reduce((sum, piece) => sum + piece.events, 0)).toBe(events);
  const decoder = new Decoder([pageViewed, goalReached]);
  const decoded = lines.map((line) => decoder.decode(line));
  expect(new Set(decoded.map(({ type }) => type))).toEqual(new Set([pageViewed.name, goalReached.name]));

  let [latest, late] = [0, 0];
  for (const { time } of decoded) {
    if (time < latest) late++;
    latest = Math.max(latest, time);
  }
  expect(pieces.reduce((sum, piece) => sum + piece.late, 0)).toBe(late);
  expect(late).toBeGreaterThan(events / 100);
  const again = events - new Set(decoded.map(({ id }) => id)).size;
  expect(pieces.reduce((sum, piece) => sum + piece.again, 0)).toBe(again);
  expect(again).toBeGreaterThan(10);

  // The screen on the wall comes back exactly half an hour later, a millisecond more and one less, past midnight too.
  const wall = decoded.filter(({ data }) => data.visitor === "wall-0").map(({ time }) => time);
  const times = [...new Set(wall)].sort((a, b) => a - b);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  for (const odd of [-1, 0, 1]) expect(gaps).toContain(halfHourMs + odd);
  const atMidnight = times.flatMap((time, i) =>
    i > 0 && Math.floor(time / dayMs) > Math.floor((times[i - 1] ?? 0) / dayMs) ? [gaps[i - 1]] : [],
  );
  expect(atMidnight).toContain(halfHourMs);
});

test("every view is asked for, in every measure", () => {
  for (const view of app.views) {
    const asked = questions.filter((question) => question.view === view.name);
    const columns = new Set(asked.flatMap(({ sql }) => [...sql.matchAll(/\b\w+/g)].map(([name]) => name)));
    const names = shownView(view).measures.map(({ name }) => name);
    expect(names.filter((name) => !columns.has(name))).toEqual([]);
  }
});

test("what the exact answers are made of is imported from nothing of the platform", async () => {
  for (const name of ["questions.ts", "exact-answers.ts", "differences.ts"]) {
    const path = fileURLToPath(new URL(`../../examples/web-analytics/${name}`, import.meta.url));
    const imports = [...(await readFile(path, "utf8")).matchAll(/ from "([^"]+)"/g)].map(([, from]) => from);
    const own = ["@duckdb/node-api", "./questions.ts", "./exact-answers.ts"];
    expect(imports.filter((from) => !own.includes(String(from)))).toEqual([]);
  }
});

test("a row that is missing, too many or off in one column is found, and so is an error beyond what was declared", () => {
  const question: Question = {
    title: "q",
    view: "v",
    parameters: {},
    key: ["host"],
    sql: "",
    about: {
      about: { kind: "standard-error", share: 0.01 },
      near: { kind: "bound", share: 0.01 },
    },
  };
  const row = (host: string, views: number, about = 1_000, near = 100): ExactRow => ({
    host,
    views,
    about,
    near,
  });
  const exact = [row("a", 1), row("b", 2)];
  const differing = (...rows: ExactRow[]) => findDifferences(question, rows, exact).differing;
  expect(differing(row("b", 2), row("a", 1))).toBe(0);
  expect(differing(row("a", 1))).toBe(1);
  expect(differing(row("a", 1), row("b", 2), row("c", 3))).toBe(1);
  expect(differing(row("a", 1), row("b", 2), row("b", 2))).toBe(1);
  expect(differing(row("a", 1), row("b", 3))).toBe(1);
  expect(differing(row("a", 1, 1_051), row("b", 2))).toBe(0);
  expect(differing(row("a", 1, 1_052), row("b", 2))).toBe(1);
  expect(differing(row("a", 1, 1_000, 101), row("b", 2))).toBe(0);
  expect(differing(row("a", 1, 1_000, 101.5), row("b", 2))).toBe(1);
  expect(findDifferences(question, [row("a", 1, 1_010), row("b", 2, 990)], exact).errors.about?.found).toBe(
    0.01,
  );
});

test("every row is what SQL says of the lines: without a generation, across two cuts, and from the batch layer alone", async () => {
  const path = fileURLToPath(new URL("../../examples/web-analytics/app.ts", import.meta.url));
  const file = join(folder, "sent.ndjson");
  const server = await TidemarkProcess.start(path, join(folder, "data"), await freePort());
  const client = new Client(server.url);
  try {
    const hold = async (position: string) => {
      const exact = await answerExactly(file, questions);
      const held = await holdAnswers(client, position, exact);
      expect(examplesOf(held)).toEqual([]);
      for (const [i, { rows, errors }] of held.entries()) {
        expect(rows, questions[i]?.title).toBeGreaterThan(4);
        for (const { found, declared } of Object.values(errors)) expect(found).toBeLessThanOrEqual(declared);
      }
      return exact;
    };
    const { position } = await ingestTraffic(client, {
      ...{ seed: 1, events, file, stops: 3 },
      progress: () => {},
      atStop: async ({ sent, position }) => {
        await hold(position);
        // What comes after the last cut stays in the tail.
        if (sent < events) expect(hasZeroDrift(await runBatch(client))).toBe(true);
      },
    });
    const parameters = { groupBy: "", measures: "visits" };
    const [batch, speed, merged] = await Promise.all(
      ["batch", "speed", "merged"].map(async (layer) =>
        Number((await client.rows("visits", { ...parameters, layer })).rows[0]?.visits),
      ),
    );
    // Visits that go on past the cut are in both layers, and one.
    expect(Number(batch) + Number(speed)).toBeGreaterThan(Number(merged));
    expect(hasZeroDrift(await runBatch(client))).toBe(true);
    await hold(position);
  } finally {
    client[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  }
}, 120_000);
