import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Printed, tidemarkHere } from "../cli/here.ts";
import type { Answer } from "../fault/client.ts";
import {
  type Arrival,
  bothApp,
  coveredBy,
  firstApp,
  linesOf,
  policyApp,
  rowsOver,
  someArrivals,
} from "../fault/delays/arrivals.ts";
import { firstDifference } from "../fault/oracle.ts";
import { Random } from "../fault/random.ts";
import { PlatformHere } from "./platform-here.ts";

const random = new Random(42);
const arrivals: Arrival[] = [];

let data: string;
let platform: PlatformHere;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-versions-"));
});
afterAll(async () => {
  await platform?.stop();
  await rm(data, { recursive: true, force: true });
});

function tidemark(...args: readonly string[]): Promise<Printed> {
  return tidemarkHere(args, { TIDEMARK_URL: platform.url });
}

async function send(count: number): Promise<void> {
  const next = someArrivals(random, arrivals.length, count);
  arrivals.push(...next);
  await platform.ingest(linesOf(next));
}

const delays = (name = "delays") => platform.get<Answer>(`/v1/views/${name}/rows?limit=1000`);
const versionOf = ({ provenance }: Answer) => provenance.version;

async function sqlTotal(name: string): Promise<unknown> {
  return (await platform.sql(`SELECT sum(delay)::BIGINT AS delay FROM "${name}"`)).rows[0]?.delay;
}

const totalOf = (version: number) =>
  rowsOver(version, arrivals).reduce((sum, { delay }) => sum + Number(delay), 0);

/** Asks for the name's rows again and again until it is told to stop, and gives every answer. */
function polling(): { stop(): Promise<readonly Answer[]> } {
  const answers: Answer[] = [];
  let isStopped = false;
  const done = (async () => {
    while (!isStopped) answers.push(await delays());
  })();
  done.catch(() => undefined);
  return {
    async stop() {
      isStopped = true;
      await done;
      return answers;
    },
  };
}

/** Sends until it is told to stop. */
function flowing(): { stop(): Promise<void> } {
  let isStopped = false;
  const done = (async () => {
    while (!isStopped) await send(20);
  })();
  done.catch(() => undefined);
  return {
    async stop() {
      isStopped = true;
      await done;
    },
  };
}

test("a version beside another is not answered until a run has built it, and holds nobody up", async () => {
  platform = await PlatformHere.start(data, firstApp);
  await send(3_000);
  await platform.runIsDone(await platform.startRun());
  await send(500);
  await platform.stop();

  platform = await PlatformHere.start(data, bothApp);
  expect(await platform.unready()).toBeUndefined();
  await platform.caughtUp("delays");
  const answer = await delays();
  expect(versionOf(answer)).toBe(1);
  expect(firstDifference(answer.rows, rowsOver(1, arrivals))).toBeUndefined();
  const waiting = await fetch(`${platform.url}/v1/views/delays@2/rows`);
  expect([waiting.status, ((await waiting.json()) as { code: string }).code]).toEqual([
    503,
    "TIDEMARK_VIEW_BUILDING",
  ]);
  expect(await tidemark("flip", "delays", "--to", "2")).toMatchObject({
    code: 1,
    err: expect.stringContaining("TIDEMARK_VIEW_BUILDING: version 2 of view"),
  });
  expect(await sqlTotal("delays")).toBe(totalOf(1));
});

test("whoever asks all the while gets whole answers of one version or the other, each exact at its position", async () => {
  const flow = flowing();
  const poll = polling();
  await platform.runIsDone(await platform.startRun());
  expect(await tidemark("flip", "delays", "--to", "2")).toEqual({
    ...{ code: 0, err: "" },
    out: `delays is version 2, was 1; "tidemark rollback delays" leads back to version 1\n`,
  });
  await platform.runIsDone(await platform.startRun());
  expect((await tidemark("rollback", "delays")).out).toContain("delays is version 1, was 2");
  await delays();
  const again = JSON.parse((await tidemark("flip", "delays", "--to", "2", "--json")).out);
  expect(again).toEqual({ view: "delays", was: 1, active: 2, former: 1 });
  await delays();
  await flow.stop();
  const answers = await poll.stop();
  const versions = answers.map(versionOf);
  expect(versions.filter((version, i) => version !== versions[i - 1])).toEqual([1, 2, 1, 2]);
  for (const [i, answer] of answers.entries()) {
    const right = rowsOver(versionOf(answer) ?? 0, arrivals.slice(0, coveredBy(answer)));
    expect(firstDifference(answer.rows, right), `answer ${i} of ${answers.length}`).toBeUndefined();
  }
  expect(answers.length).toBeGreaterThan(20);
});

test("a diff says what differs, in every row", async () => {
  await platform.caughtUp("delays");
  await platform.runIsDone(await platform.startRun());
  const [wrong, right] = [rowsOver(1, arrivals), rowsOver(2, arrivals)];
  const differences = right.map((row, i) => Number(row.delay) - Number(wrong[i]?.delay));
  const largest = Math.max(...differences);
  const { origin, hour } = right[differences.indexOf(largest)] ?? {};
  const { out } = await tidemark("diff", "delays", "--from", "1", "--to", "2", "--limit", "2", "--json");
  const answer = JSON.parse(out);
  expect(answer).toMatchObject({
    ...{ view: "delays", from: { version: 1 }, to: { version: 2 } },
    cut: `test.flight.arrived@0:${arrivals.length}`,
    rows: { added: 0, gone: 0, changed: right.length, equal: 0 },
    measures: [
      { name: "flights", differing: 0, largest: null },
      { name: "delay", differing: right.length, largest: { difference: largest, key: { origin, hour } } },
    ],
    differing: [
      { kind: "changed", from: { delay: wrong[0]?.delay }, to: { delay: right[0]?.delay } },
      { kind: "changed", from: { delay: wrong[1]?.delay }, to: { delay: right[1]?.delay } },
    ],
  });
  const shown = (await tidemark("diff", "delays", "--limit", "2")).out;
  expect(shown).toContain(
    `delays: version 1 (${answer.from.generation}) and version 2 (${answer.to.generation})`,
  );
  expect(shown).toContain(`${right.length - 2} rows more differ: --limit shows more`);
});

test("the version that is active stays so over a restart, by every way of asking; the folder is clean", async () => {
  await platform.stop();
  platform = await PlatformHere.start(data, bothApp);
  await platform.caughtUp("delays");
  for (const [name, version] of [
    ["delays", 2],
    ["delays@1", 1],
    ["delays@2", 2],
  ] as const) {
    const answer = await delays(name);
    expect(versionOf(answer)).toBe(version);
    expect(firstDifference(answer.rows, rowsOver(version, arrivals))).toBeUndefined();
    expect(await sqlTotal(name)).toBe(totalOf(version));
  }
  const { out } = await tidemark("status");
  expect(out).toMatch(/^view +active +generation/m);
  const compared = JSON.parse((await tidemark("compare", "delays", "--json", "--limit", "1")).out);
  expect(compared.provenance).toMatchObject({ view: "delays@2", version: 2 });
  await platform.stop();
  const atRest = ["--app", bothApp, "--data", data];
  const verified = await tidemark("verify", ...atRest);
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("version 2 of 1, 2 is active") });
  expect((await tidemark("replay", "delays", ...atRest)).out).toMatch(/^delays@2: .*\nequal: all 18 keys/);
});

test("a version is flipped to by its policy after two runs without drift, and not again once it was rolled back", async () => {
  platform = await PlatformHere.start(data, policyApp);
  const run = async () => {
    await send(100);
    await platform.caughtUp("delays");
    return (await platform.runIsDone(await platform.startRun())).id;
  };
  const described = () =>
    platform.get<{ versions: readonly { held: string | null }[]; flipped: unknown }>("/v1/views/delays");
  const held = async () => (await described()).versions.map((version) => version.held);
  expect(await held()).toEqual([null, null, "no batch run has looked at it yet"]);
  const first = await run();
  expect((await held())[2]).toContain(`run ${first} had nothing to hold it against: `);
  await run();
  const { out } = await tidemark("diff", "delays");
  expect(out).toContain("version 2 (");
  expect(out).toContain("not flipped to by policy: 1 of 2 runs without drift so far\n");
  expect(versionOf(await delays())).toBe(2);

  const last = await run();
  await expect.poll(async () => versionOf(await delays())).toBe(3);
  const answer = await delays();
  expect(firstDifference(answer.rows, rowsOver(2, arrivals))).toBeUndefined();
  const why = `2 runs without drift, the last of them ${last}`;
  expect(await described()).toMatchObject({ flipped: { by: "policy", why }, former: 2 });

  expect((await tidemark("rollback", "delays")).out).toContain("delays is version 2, was 3");
  await run();
  expect(await described()).toMatchObject({ flipped: { by: "hand", why: null }, former: 3 });
  expect((await held())[2]).toBe("it was active before, and only a flip by hand leads back to it");
  expect(versionOf(await delays())).toBe(2);
  await platform.stop();
});

test("an app without the active version is answered by the one before, and verify says so", async () => {
  platform = await PlatformHere.start(data, firstApp);
  await platform.caughtUp("delays");
  const answer = await delays();
  expect(firstDifference(answer.rows, rowsOver(1, arrivals))).toBeUndefined();
  await platform.stop();
  expect(await tidemark("verify", "--app", firstApp, "--data", data)).toMatchObject({
    code: 1,
    out: expect.stringContaining(
      "version 2 is active, which the app does not declare: version 1 answers in its place",
    ),
  });
});
