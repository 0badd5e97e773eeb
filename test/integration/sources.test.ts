import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tidemarkHere } from "../cli/here.ts";
import type { Row } from "../fault/client.ts";
import { Platform } from "../fault/platform.ts";
import { Random } from "../fault/random.ts";

const app = fileURLToPath(new URL("./click-through-app.ts", import.meta.url));

interface Posted {
  readonly type: "ads.impression.shown" | "ads.click.made";
  readonly id: string;
  readonly source: string;
  readonly time: string;
  readonly data: {
    readonly campaign?: string;
    readonly ad?: string;
    readonly user: string;
    readonly cents?: number;
    readonly isRobot?: boolean;
  };
}

/** Two impressions for a click, in times that come in no order; no two events are of one instant. */
function events(count: number): readonly Posted[] {
  const random = new Random(7);
  const start = Date.parse("2024-05-01T00:00:00Z");
  return Array.from({ length: count }, (_, i): Posted => {
    const isClick = random.whole(0, 3) === 0;
    const campaign = ["spring", "autumn", "été"][random.whole(0, 4)];
    const user = `u${random.whole(0, 40)}`;
    const time = new Date(start + random.whole(0, 5 * 3_600) * 1_000 * 1_000 + i).toISOString();
    const envelope = { id: `${i}`, source: "web", time };
    if (!isClick) {
      return { ...envelope, type: "ads.impression.shown", data: { campaign: campaign ?? "none", user } };
    }
    const ad = campaign === undefined ? {} : { ad: campaign };
    const data = { ...ad, user, cents: random.whole(1, 100), isRobot: random.whole(0, 5) === 0 };
    return { ...envelope, type: "ads.click.made", data };
  });
}

/** The rows of the view by campaign, from plain arrays. */
function expected(posted: readonly Posted[]): readonly Row[] {
  const groups = new Map<string | null, Posted[]>();
  for (const event of posted) {
    if (event.data.isRobot === true) continue;
    const campaign = event.data.campaign ?? event.data.ad ?? null;
    groups.set(campaign, [...(groups.get(campaign) ?? []), event]);
  }
  return [...groups]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a ?? ""), Buffer.from(b ?? "")))
    .map(([campaign, all]) => {
      const inOrder = [...all].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
      const clicks = inOrder.filter(({ type }) => type === "ads.click.made");
      const impressions = all.length - clicks.length;
      return {
        campaign,
        impressions,
        users: new Set(all.map(({ data }) => data.user)).size,
        lastUser: inOrder.at(-1)?.data.user,
        clicks: clicks.length,
        cents: clicks.length === 0 ? null : clicks.reduce((total, { data }) => total + (data.cents ?? 0), 0),
        firstClick: clicks[0]?.data.cents ?? null,
        rate: impressions === 0 ? null : clicks.length / impressions,
      };
    });
}

let data: string;
let platform: Platform;
const all = events(3_000);

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-sources-"));
  platform = await Platform.start(data, app);
}, 60_000);

afterAll(async () => {
  await platform.kill();
  await rm(data, { recursive: true, force: true });
});

/** Posts events `[from, to)`, the last ten once more, and gives the position. */
async function post(from: number, to: number): Promise<string> {
  const part = [...all.slice(from, to), ...all.slice(to - 10, to)];
  const { position } = await platform.ingest(`${part.map((event) => JSON.stringify(event)).join("\n")}\n`);
  return position;
}

async function byCampaign(parameters: Readonly<Record<string, string>> = {}) {
  return platform.rows("click-through", { groupBy: "campaign", timeout: "30s", ...parameters });
}

async function run(): Promise<void> {
  await platform.runIsDone(await platform.startRun());
}

/** How many records of each topic a cut covers. */
function covered(cut: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    cut.split(";").map((part) => {
      const [topic = "", nexts = ""] = part.split("@");
      return [topic, nexts.split(",").reduce((total, each) => total + Number(each.split(":")[1]), 0)];
    }),
  );
}

test("impressions and clicks make rows of one view, whatever part of either the batch layer has computed", async () => {
  for (const [from, to] of [
    [0, 500],
    [500, 1_200],
    [1_200, 1_203],
    [1_203, 2_400],
  ] as const) {
    const after = await post(from, to);
    const merged = await byCampaign({ after });
    expect(merged.rows).toEqual(expected(all.slice(0, to)));
    expect(merged.provenance).toMatchObject({ lag: 0, complete: true });
    await run();
    const { rows, provenance } = await byCampaign({ layer: "batch" });
    expect(rows).toEqual(merged.rows);
    expect(Object.keys(covered(provenance.cut))).toEqual(["ads.click.made", "ads.impression.shown"]);
    expect(provenance.position).toBe(merged.provenance.position);
    expect((await byCampaign()).rows).toEqual(merged.rows);
  }
}, 120_000);

test("every generation was what was being served", async () => {
  const { reconciliations } = await platform.get<{ reconciliations: { reconciliation: object }[] }>(
    "/v1/reconciliations",
  );
  expect(reconciliations).toHaveLength(8);
  for (const { reconciliation } of reconciliations) {
    expect(reconciliation).toMatchObject({ kind: "compared", differing: 0 });
  }
});

test("a topic that stands still goes on to be covered, and an answer can wait for either", async () => {
  const clicks = all.slice(2_400).filter(({ type }) => type === "ads.click.made");
  const impressions = all.slice(2_400).filter(({ type }) => type === "ads.impression.shown");
  const before = await byCampaign();
  const ofClicks = await platform.ingest(`${clicks.map((event) => JSON.stringify(event)).join("\n")}\n`);
  expect(ofClicks.position).toMatch(/^ads\.click\.made@/);
  const withClicks = await byCampaign({ after: ofClicks.position });
  expect(withClicks.rows).toEqual(expected([...all.slice(0, 2_400), ...clicks]));
  const [was, is] = [before, withClicks].map(({ provenance }) => covered(provenance.position));
  expect(is).toEqual({ ...was, "ads.click.made": (was?.["ads.click.made"] ?? 0) + clicks.length });
  await run();
  expect((await byCampaign({ layer: "batch" })).rows).toEqual(withClicks.rows);
  const ofBoth = await platform.ingest(`${impressions.map((event) => JSON.stringify(event)).join("\n")}\n`);
  const right = expected(all);
  expect((await byCampaign({ after: ofBoth.position })).rows).toEqual(right);
  const speed = await byCampaign({ layer: "speed" });
  expect(speed.rows.map(({ clicks }) => clicks)).toEqual(speed.rows.map(() => 0));
});

test("a view of one of the types is as it is without the other view", async () => {
  const { rows, provenance } = await platform.rows("robots", {});
  const clicks = all.filter(({ type }) => type === "ads.click.made");
  const of = (isRobot: boolean) => clicks.filter(({ data }) => data.isRobot === isRobot);
  expect(rows).toEqual(
    [false, true].map((isRobot) => ({
      isRobot,
      clicks: of(isRobot).length,
      cents: of(isRobot).reduce((total, { data }) => total + (data.cents ?? 0), 0),
    })),
  );
  expect(Object.keys(covered(provenance.cut))).toEqual(["ads.click.made"]);
});

test("compare shows no difference where there is none", async () => {
  const { rows } = await platform.get<{ rows: readonly Row[] }>(
    "/v1/views/click-through/compare?differing=true",
  );
  expect(rows).toEqual([]);
});

test("the view says what it is of", async () => {
  expect(await platform.get("/v1/views/click-through")).toMatchObject({
    event: null,
    events: ["ads.click.made", "ads.impression.shown"],
  });
  expect(await platform.get("/v1/views/robots")).toMatchObject({
    event: "ads.click.made",
    events: ["ads.click.made"],
  });
});

test("killed and started again it answers the same, and what is on disk is what the records give", async () => {
  await platform.kill();
  platform = await Platform.start(data, app);
  await platform.caughtUp("click-through");
  expect((await byCampaign()).rows).toEqual(expected(all));
  expect(await platform.stop()).toBe(0);
  const { out } = await tidemarkHere(["verify", "--app", app, "--data", data, "--json"]);
  expect(JSON.parse(out)).toMatchObject({ clean: true });
}, 120_000);
