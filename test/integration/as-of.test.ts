import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SqlAnswer } from "../../cli/answers.ts";
import type { Run } from "../../infra/jobs/jobs.ts";
import { parsePosition } from "../../views/cut.ts";
import type { Offer } from "../../views/errors.ts";
import { tidemarkHere } from "../cli/here.ts";
import type { Answer, Row } from "../fault/client.ts";
import { flightLines } from "../fault/flights-in-order.ts";
import { answersOver, embeddedRecords, firstDifference, viewNames } from "../fault/oracle.ts";
import { Random } from "../fault/random.ts";
import { PlatformHere } from "./platform-here.ts";

const topic = "aviation.flight.landed";

let folder: string;
let data: string;
let platform: PlatformHere;
/** After the restart: as many as lie between two runs, and no more. */
const mostFolded = 1_000;
/** Where the flights were when a run began, and at the end. */
const cuts: (readonly number[])[] = [];
/** What was answered on the way, with the position. */
const answered: { readonly position: string; readonly rows: readonly Row[] }[] = [];

const nextsOf = (position: string): readonly number[] => [
  ...(parsePosition(position).get(topic)?.values() ?? []),
];
const positionOf = (nexts: readonly number[]) => `${topic}@${nexts.map((next, p) => `${p}:${next}`).join()}`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-as-of-"));
  data = join(folder, "data");
  platform = await PlatformHere.start(data);
  const lines = await flightLines(4_000);
  for (let from = 0; from < 4_000; from += 800) {
    // The last ones of the part before come once more.
    await platform.ingest(lines.slice(Math.max(0, from - 150), from + 800).join("\n"));
    await platform.caughtUp();
    const { rows, provenance } = await platform.rows("airport-hours");
    answered.push({ position: provenance.position, rows });
    cuts.push(nextsOf(provenance.position));
    if (from < 3_200) await platform.runIsDone(await platform.startRun());
  }
});

afterAll(async () => {
  await platform.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A generation was published at all cuts but the last, and of the first one it was pruned. */
function randomCut(random: Random): readonly number[] {
  const end = cuts.at(-1) ?? [];
  const base = random.chance(0.3) ? [0, 0, 0, 0] : (cuts[random.whole(0, cuts.length)] ?? []);
  return base.map((from, p) => random.whole(from, (end[p] ?? 0) + 1));
}

interface Listed {
  readonly generations: readonly { readonly id: string; readonly createdAt: string; readonly cut: string }[];
}

/** Of a problem document what these tests look at. */
interface Problem {
  readonly code: string;
  readonly offer: Offer;
}

const sql = (statement: string, asOf: string) => platform.sql<SqlAnswer>(statement, asOf);

/** Two views and the events, in one statement of one moment. */
const together = `SELECT (SELECT sum(flights) FROM routes_by_day) AS routes, (SELECT sum(flights) FROM totals_by_hour) AS totals,
  (SELECT count(*) FROM aviation_flight_landed WHERE NOT _duplicate) AS flights, (SELECT count(*) FROM aviation_flight_landed) AS records`;

async function holdsInSql(nexts: readonly number[], right: Awaited<ReturnType<typeof answersOver>>) {
  const asOf = positionOf(nexts);
  const hours = await sql("SELECT * FROM airport_hours ORDER BY origin, hour", asOf);
  expect(firstDifference(hours.rows, right.get("airport-hours") ?? []), `SQL as of ${nexts}`).toBe(undefined);
  const { rows, provenance } = await sql(together, asOf);
  const flights = (right.get("totals-by-hour") ?? []).reduce((sum, row) => sum + Number(row.flights), 0);
  const ofNone = flights === 0 ? null : flights;
  const records = nexts.reduce((sum, next) => sum + next, 0);
  expect(rows).toEqual([{ routes: ofNone, totals: ofNone, flights, records }]);
  const ground = { position: asOf, asOf, lag: 0, complete: true };
  expect(provenance).toMatchObject({
    views: { "routes-by-day": ground, "totals-by-hour": ground },
    events: { [topic]: ground },
  });
}

test("at 50 past cuts, each view is what SQL gives of the log's bytes before that cut, and so are statements over views and events", async () => {
  const random = new Random(50);
  const generations = new Set<string | null>();
  for (let i = 0; i < 50; i++) {
    const nexts = randomCut(random);
    const right = await answersOver(embeddedRecords(join(data, "log"), nexts), join(folder, "facts.json"));
    for (const view of viewNames) {
      const { rows, provenance } = await platform.rows(view, { asOf: positionOf(nexts) });
      expect(firstDifference(rows, right.get(view) ?? []), `${view} as of ${nexts}`).toBe(undefined);
      expect(provenance).toMatchObject({ position: positionOf(nexts), lag: 0, complete: true });
      generations.add(view === "airport-hours" ? provenance.generation : null);
    }
    if (i % 5 === 0) await holdsInSql(nexts, right);
  }
  // None, and the three that are kept.
  expect(generations.size).toBe(4);
});

test("what was answered on the way is answered as of its position, and over a restart", async () => {
  for (const start of [false, true]) {
    if (start) {
      await platform.stop();
      platform = await PlatformHere.start(data, undefined, { records: mostFolded });
      await platform.caughtUp();
    }
    for (const { position, rows } of answered) {
      expect((await platform.rows("airport-hours", { asOf: position })).rows).toEqual(rows);
    }
  }
});

async function tidemark(...args: readonly string[]): Promise<{ code: number; out: string }> {
  const { code, out, err } = await tidemarkHere([...args, "--url", platform.url]);
  return { code, out: out + err };
}

test("tidemark query --as-of: a position, a generation, a time, and what is neither", async () => {
  const { generations } = await platform.get<Listed>("/v1/views/totals-by-hour");
  const oldest = generations.at(-1);
  const query = (asOf: string) =>
    tidemark("query", "totals-by-hour", "--group-by", "", "--json", "--as-of", asOf);
  const answers: Answer[] = [];
  for (const asOf of [oldest?.cut ?? "", oldest?.id ?? "", oldest?.createdAt ?? ""]) {
    const { code, out } = await query(asOf);
    expect(code, out).toBe(0);
    answers.push(JSON.parse(out));
  }
  for (const { rows, provenance } of answers) {
    expect(rows).toEqual(answers[0]?.rows);
    expect(provenance).toMatchObject({ generation: oldest?.id, position: oldest?.cut });
  }
  const shown = await tidemark("query", "totals-by-hour", "--group-by", "", "--as-of", oldest?.id ?? "");
  expect(shown.out).toContain(`as of ${oldest?.id} · merged: ${oldest?.id} with`);
  const refused = await query("g-20010101000000-000000");
  expect([refused.code, refused.out]).toEqual([1, expect.stringContaining("TIDEMARK_GENERATION_UNKNOWN")]);
  expect(refused.out).toContain(oldest?.id);
});

test("a statement as of a generation, or of a time, is of the cut of its run; and what there is not is refused as for rows", async () => {
  const { generations } = await platform.get<Listed>("/v1/views/airport-hours");
  const [, kept] = generations;
  const records = nextsOf(kept?.cut ?? "").reduce((sum, next) => sum + next, 0);
  for (const asOf of [kept?.id ?? "", kept?.createdAt ?? ""]) {
    const { rows, provenance } = await sql(
      `SELECT (SELECT count(*) FROM aviation_flight_landed) AS records, count(*) AS hours FROM airport_hours`,
      asOf,
    );
    expect(rows).toMatchObject([{ records }]);
    expect(provenance.views["airport-hours"]).toMatchObject({
      generation: kept?.id,
      position: kept?.cut,
      asOf,
    });
  }
  const end = cuts.at(-1) ?? [];
  for (const [asOf, code] of [
    ["monday", "TIDEMARK_QUERY_PARAMETER"],
    [`${topic}@0:1`, "TIDEMARK_QUERY_PARAMETER"],
    ["g-20010101000000-3fa9c1", "TIDEMARK_GENERATION_UNKNOWN"],
    ["2001-01-01", "TIDEMARK_GENERATION_UNKNOWN"],
    [positionOf(end.map((next) => next + 1)), "TIDEMARK_ASOF_AHEAD"],
  ] as const) {
    for (const table of ["airport_hours", "aviation_flight_landed"]) {
      expect(await sql(`SELECT count(*) FROM ${table}`, asOf), `${asOf} of ${table}`).toMatchObject({ code });
    }
  }
});

test("tidemark sql --as-of", async () => {
  const { position } = answered[0] ?? { position: "" };
  const { code, out } = await tidemark(
    "sql",
    "SELECT count(*) AS n FROM aviation_flight_landed",
    "--as-of",
    position,
  );
  const records = nextsOf(position).reduce((sum, next) => sum + next, 0);
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(new RegExp(`${records}[^]*1 row · as of ${topic}@`)),
  ]);
});

/** What the server answers, problems too. */
async function ask<Body>(path: string, body?: object): Promise<{ status: number; body: Body & Problem }> {
  const response = await (body === undefined ? fetch(platform.url + path) : platform.post(path, body));
  return { status: response.status, body: (await response.json()) as Body & Problem };
}

async function runEnds(path: string, body: object) {
  const { status, body: run } = await ask<Run>(path, body);
  expect([status, run.kind], JSON.stringify(run)).toEqual([202, "past"]);
  for (;;) {
    const { body: now } = await ask<Run>(`/v1/batch/runs/${run.id}`);
    if (now.finishedAt !== null) return now;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const rowsAt = (view: string, position: string, more = "") =>
  ask<Answer>(`/v1/views/${view}/rows?limit=100000&asOf=${encodeURIComponent(position)}${more}`);

test("what is too costly for a request is offered as a run, and answered from it afterwards; what serves stays", async () => {
  // The first generation is pruned: from the first record on they are too many.
  const nexts = (cuts[1] ?? []).map((next, p) => (p === 0 ? next - 1 : next));
  const position = positionOf(nexts);
  const listed = await ask<Listed>("/v1/views/airport-hours");
  const refused = await rowsAt("airport-hours", position);
  const { offer } = refused.body;
  expect([refused.status, refused.body.code]).toEqual([422, "TIDEMARK_ASOF_COSTLY"]);
  expect(offer).toEqual({
    ...{ method: "POST", path: "/v1/batch/runs" },
    body: { asOf: position, views: ["airport-hours"] },
  });
  const ofBoth = (await ask("/v1/sql", { sql: together, asOf: position })).body.offer;
  expect(ofBoth.body).toEqual({ asOf: position, views: ["routes-by-day", "totals-by-hour"] });

  const run = await runEnds(offer.path, offer.body);
  expect(run).toMatchObject({
    ...{ state: "succeeded", past: { position, views: ["airport-hours"] } },
    result: { records: nexts.reduce((sum, next) => sum + next, 0), reconciliations: [] },
  });
  const id = run.result?.generations[0]?.id;
  const right = await answersOver(embeddedRecords(join(data, "log"), nexts), join(folder, "facts.json"));
  for (const layer of ["", "&layer=batch"]) {
    const { body } = await rowsAt("airport-hours", position, layer);
    expect(firstDifference(body.rows, right.get("airport-hours") ?? [])).toBe(undefined);
    expect(body.provenance).toMatchObject({ generation: id, position, lag: 0, complete: true });
  }
  // A run asked for again gives what is kept, and its neighbours go on from it.
  expect((await runEnds(offer.path, offer.body)).result?.generations).toMatchObject([{ id }]);
  const behind = nexts.map((next, p) => (p === 0 ? next + 1 : next));
  expect((await rowsAt("airport-hours", positionOf(behind))).body.provenance).toMatchObject({
    position: positionOf(behind),
  });

  expect(await ask("/v1/views/airport-hours")).toEqual(listed);
  const now = await rowsAt("airport-hours", new Date(Date.now() + 1_000).toISOString());
  expect(now.body.provenance.generation).toBe(listed.body.generations[0]?.id);
});

test("tidemark query --as-of says what to run; tidemark batch run --as-of does, and a statement is answered from it", async () => {
  const nexts = (cuts[1] ?? []).map((next, p) => (p === 0 ? next - 1 : next));
  const position = positionOf(nexts);
  const refused = await tidemark("query", "routes-by-day", "--as-of", position);
  expect([refused.code, refused.out]).toEqual([1, expect.stringContaining("TIDEMARK_ASOF_COSTLY")]);
  const command = /tidemark (batch run --as-of) "([^"]+)" --view (\S+)/.exec(refused.out) ?? [];
  expect(command.slice(2)).toEqual([position, "routes-by-day"]);
  // Without names: of all views whose topics the position names.
  const done = await tidemark(...(command[1] ?? "").split(" "), position);
  expect([done.code, done.out]).toEqual([0, expect.stringMatching(/totals-by-hour(.|\n)*--as-of "aviation/)]);
  expect((await tidemark("query", "routes-by-day", "--as-of", position)).code).toBe(0);
  const right = await answersOver(embeddedRecords(join(data, "log"), nexts), join(folder, "facts.json"));
  await holdsInSql(nexts, right);
});

test("a run as of the past that makes no sense is refused", async () => {
  const end = positionOf((cuts.at(-1) ?? []).map((next) => next + 1));
  for (const [body, code] of [
    [{ views: ["airport-hours"] }, "TIDEMARK_REQUEST"],
    [{ asOf: 7 }, "TIDEMARK_REQUEST"],
    [{ asOf: positionOf([1, 1, 1, 1]), views: [] }, "TIDEMARK_REQUEST"],
    [{ asOf: "g-20010101000000-3fa9c1", views: ["airport-hours"] }, "TIDEMARK_QUERY_PARAMETER"],
    [{ asOf: `${topic}@0:1` }, "TIDEMARK_QUERY_PARAMETER"],
    [{ asOf: `${topic}@0:1`, views: ["airport-hours"] }, "TIDEMARK_QUERY_PARAMETER"],
    [{ asOf: positionOf([1, 1, 1, 1]), views: ["nothing"] }, "TIDEMARK_QUERY_VIEW_UNKNOWN"],
    [{ asOf: end }, "TIDEMARK_ASOF_AHEAD"],
  ] as const) {
    const { body: problem } = await ask("/v1/batch/runs", body);
    expect(problem.code, JSON.stringify([body, problem])).toBe(code);
  }
});
