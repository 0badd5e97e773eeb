import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { SqlAnswer } from "../../cli/answers.ts";
import type { Run } from "../../infra/jobs/jobs.ts";
import type { Row } from "../fault/client.ts";
import { Random } from "../fault/random.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("./replay-app.ts", import.meta.url));

/** Pages and purchases of twelve users in six hours, in no order; some come twice. */
function events(random: Random, count: number): readonly string[] {
  return Array.from({ length: count }, () => {
    const i = random.whole(0, 3 * count);
    const user = `u${i % 12}`;
    const time = new Date((i * 7_919_000) % (6 * 3_600_000)).toISOString();
    const envelope = { id: `${i}`, source: "web", time };
    return i % 4 > 0
      ? JSON.stringify({ ...envelope, type: "test.page.shown", data: { user, ms: i } })
      : JSON.stringify({ ...envelope, type: "test.thing.bought", data: { user, items: [] } });
  });
}

test("sessions of several event types and sliding windows are again what they were, run after run", async () => {
  const data = await mkdtemp(join(tmpdir(), "tidemark-as-of-views-"));
  const platform = await PlatformHere.start(data, app);
  try {
    const random = new Random(3);
    const views = ["visits", "speed"];
    const answered: { view: string; position: string; rows: readonly Row[] }[] = [];
    for (let i = 0; i < 12; i++) {
      await platform.ingest(events(random, 100).join("\n"));
      for (const view of views) {
        await platform.caughtUp(view);
        const { rows, provenance } = await platform.rows(view);
        answered.push({ view, position: provenance.position, rows });
      }
      if (i % 3 === 2) await platform.runIsDone(await platform.startRun());
    }
    for (const { view, position, rows } of answered) {
      expect(rows.length).toBeGreaterThan(10);
      expect((await platform.rows(view, { asOf: position })).rows, `${view} as of ${position}`).toEqual(rows);
    }
    await holdsForStatements(platform);
    // Of the same cuts a run computes the same by SQL.
    for (const { view, position, rows } of answered.slice(2, 6)) {
      const id = await runAsOf(platform, view, position);
      const answer = await platform.rows(view, { asOf: position });
      expect([answer.provenance.generation, answer.rows], `${view} as of ${position}`).toEqual([id, rows]);
    }
  } finally {
    await platform.stop();
    await rm(data, { recursive: true, force: true });
  }
});

/** Gives what the run has kept. */
async function runAsOf(platform: PlatformHere, view: string, asOf: string): Promise<string | undefined> {
  const asked = await platform.post("/v1/batch/runs", { asOf, views: [view] });
  const { id } = (await asked.json()) as Run;
  for (;;) {
    const { state, result } = await platform.get<Run>(`/v1/batch/runs/${id}`);
    if (state === "succeeded") return result?.generations[0]?.id;
    if (state === "failed") throw new Error(`the run as of ${asOf} failed`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface Listed {
  readonly generations: readonly { readonly id: string; readonly cut: string }[];
}

/** A generation of one view stands for its run's cut, also of topics that the view is not of. */
async function holdsForStatements(platform: PlatformHere): Promise<void> {
  const ask = (sql: string, asOf: string) => platform.sql<SqlAnswer>(sql, asOf);
  const [, speed] = (await platform.get<Listed>("/v1/views/speed")).generations;
  const [, visits] = (await platform.get<Listed>("/v1/views/visits")).generations;
  const id = speed?.id ?? "";
  const { rows } = await platform.rows("visits", { asOf: visits?.id ?? "", groupBy: "" });
  const both = "SELECT (SELECT sum(pages) FROM visits) AS pages, (SELECT count(*) FROM speed) > 0 AS has";
  const answer = await ask(both, id);
  expect(answer.rows).toEqual([{ pages: rows[0]?.pages, has: true }]);
  expect(answer.provenance.views.visits).toMatchObject({ position: visits?.cut, asOf: id });
  expect(await ask("SELECT * FROM visits", id)).toMatchObject({ code: "TIDEMARK_GENERATION_UNKNOWN" });
  expect(await ask(both, speed?.cut ?? "")).toMatchObject({
    code: "TIDEMARK_QUERY_PARAMETER",
    detail: expect.stringMatching(/says nothing of .*the topics of the statement's tables/),
  });
}
