import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunResult } from "../../infra/jobs/jobs.ts";
import { tidemarkHere } from "../cli/here.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("./retention-app.ts", import.meta.url));
const dayMs = 86_400_000;
const today = Math.floor(Date.now() / dayMs) * dayMs;

interface Sent {
  readonly id: string;
  readonly customer: string;
  readonly daysAgo: number;
}

let data: string;
let platform: PlatformHere;
const sent: Sent[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-retention-"));
  platform = await PlatformHere.start(data, app);
});
afterAll(async () => {
  await platform.stop();
  await rm(data, { recursive: true, force: true });
});

const timeOf = (daysAgo: number) => new Date(today - daysAgo * dayMs).toISOString();
/** What runs may take for the bound of what is too old: the second, should midnight fall into the test. */
const bounds = [timeOf(30), timeOf(29)];

async function buy(purchases: readonly Sent[], more: readonly object[] = []): Promise<string> {
  sent.push(...purchases);
  const events = purchases.map(({ id, customer, daysAgo }) => ({
    ...{ specversion: "1.0", source: "test", type: "test.thing.bought", id, time: timeOf(daysAgo) },
    data: { customer, cents: 100 + daysAgo },
  }));
  const { position } = await platform.ingest([...events, ...more].map((e) => JSON.stringify(e)).join("\n"));
  return position;
}

/** Of some days ago, several each. */
function purchasesOf(name: string, ...daysAgo: readonly number[]): readonly Sent[] {
  return daysAgo.flatMap((each) =>
    [0, 1, 2].map((i) => ({ id: `${name}-${each}-${i}`, customer: `C-${(each + i) % 5}`, daysAgo: each })),
  );
}

/** What both views of purchases have to answer of those that are there, by day. */
function oracle(isThere: (each: Sent) => boolean) {
  const byDay = new Map<number, { n: number; cents: number }>();
  for (const { daysAgo } of new Map(sent.filter(isThere).map((each) => [each.id, each])).values()) {
    const { n, cents } = byDay.get(daysAgo) ?? { n: 0, cents: 0 };
    byDay.set(daysAgo, { n: n + 1, cents: cents + 100 + daysAgo });
  }
  return [...byDay]
    .map(([daysAgo, row]) => ({ day: timeOf(daysAgo), ...row }))
    .sort((a, b) => (a.day < b.day ? -1 : 1));
}

async function answers(after: string) {
  const rowsOf = async (view: string) => (await platform.rows(view, { after, orderBy: "day" })).rows;
  return [await rowsOf("purchases"), await rowsOf("live-purchases")];
}

async function run(full: boolean): Promise<RunResult & { readonly id: string }> {
  const id = await platform.startRun({ full });
  const { result } = await platform.runIsDone(id);
  return { ...(result as RunResult), id };
}

const waysOf = ({ reconciliations }: RunResult) =>
  Object.fromEntries(reconciliations.map(({ view, reconciliation }) => [view, reconciliation]));

test("facts leave with a run in full, late ones with the next, and both layers answer from what is left", async () => {
  const page = { specversion: "1.0", source: "test", type: "test.page.seen", id: "p", time: timeOf(90) };
  const first = purchasesOf("a", 100, 31, 29, 2, 0);
  const again = first.slice(0, 2);
  const start = await buy([...first, ...again], [{ ...page, data: { page: "home" } }]);
  const formerly = await run(false);
  expect(formerly.expired).toBeUndefined();
  expect(await answers(start)).toEqual([oracle(() => true), oracle(() => true)]);

  const isOld = ({ daysAgo }: Sent) => daysAgo > 29;
  const full = await run(true);
  const before = full.expired?.[0]?.before ?? "";
  expect(bounds).toContain(before);
  expect(full.expired).toEqual([{ type: "test.thing.bought", before, records: 8, deadLetters: 0 }]);
  expect(waysOf(full)).toMatchObject({
    purchases: { kind: "not-compared", reason: expect.stringContaining(`from before ${before}`) },
    pages: { kind: "compared", differing: 0 },
  });
  expect(await answers(start)).toEqual([oracle((each) => !isOld(each)), oracle((each) => !isOld(each))]);

  // Former generations of the view are gone, and it is said why; those of others are not.
  const gone = formerly.generations.find(({ view }) => view === "purchases")?.id;
  const back = await platform.post(`/v1/views/purchases/generations/${gone}/activate`);
  expect([back.status, await back.text()]).toEqual([404, expect.stringContaining(`from before ${before}`)]);
  expect(await platform.get("/v1/views/pages")).toMatchObject({ generations: { length: 2 } });

  // What comes late counts until the next run in full; an id of one that has left is a new one's.
  const late = [...purchasesOf("b", 50, 1), { id: "a-100-0", customer: "C-0", daysAgo: 100 }];
  const isThere = (each: Sent) => !isOld(each) || late.includes(each);
  const position = await buy(late);
  expect(await answers(position)).toEqual([oracle(isThere), oracle(isThere)]);
  const increment = await run(false);
  expect([increment.expired, increment.generations.find(({ view }) => view === "purchases")?.inFull]).toEqual(
    [undefined, null],
  );
  expect(waysOf(increment)).toMatchObject({ purchases: { kind: "compared", differing: 0 } });
  expect(await answers(position)).toEqual([oracle(isThere), oracle(isThere)]);
  const { expired: lateOnes } = await run(true);
  expect(lateOnes).toMatchObject([{ records: 4 }]);
  expect(await answers(position)).toEqual([oracle((each) => !isOld(each)), oracle((each) => !isOld(each))]);

  // Nothing is too old: such a run is held against what was served.
  const last = await run(true);
  expect([last.expired, waysOf(last)]).toMatchObject([
    undefined,
    { purchases: { kind: "compared", differing: 0 }, pages: { kind: "compared", differing: 0 } },
  ]);
  const { erasures } = await platform.get<{ erasures: readonly object[] }>("/v1/erasures");
  expect(erasures).toMatchObject([
    {
      ...{ type: "test.thing.bought", before: lateOnes?.[0]?.before, state: "done" },
      records: { "test.thing.bought": 4 },
    },
  ]);
  const { out: list } = await tidemarkHere(["batch", "list", "--url", platform.url]);
  expect(list.split("\n")[0]).toContain("left");
  const lateAgain = await buy(purchasesOf("c", 60));
  await answers(lateAgain);
  const { out: told } = await tidemarkHere(["batch", "run", "--full", "--url", platform.url]);
  const days = bounds.map((each) => each.slice(0, 10)).join("|");
  expect(told).toMatch(new RegExp(`3 facts of test\\.thing\\.bought from before (${days}) left\n`));
  expect(await answers(lateAgain)).toEqual([oracle((each) => !isOld(each)), oracle((each) => !isOld(each))]);

  await platform.stop();
  const verified = await tidemarkHere(["verify", "--deep", "--app", app, "--data", data]);
  expect(verified).toMatchObject({ code: 0, out: expect.stringContaining("clean") });
  const shorter = join(data, "shorter-app.ts");
  const views = fileURLToPath(new URL("../../views/index.ts", import.meta.url));
  const declared = (await readFile(app, "utf8")).replace("../../views/index.ts", views);
  await writeFile(shorter, declared.replace('keep: "30d"', 'keep: "7d"'));
  const { out } = await tidemarkHere(["check", "--app", shorter, "--data", data]);
  expect(out).toContain(
    "facts are kept for 7d, were kept for 30d: facts whose event time is longer than 7d ago leave",
  );
  expect(out).toContain("deployable");
});
