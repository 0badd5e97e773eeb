import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { tidemarkHere } from "../cli/here.ts";
import { Random } from "../fault/random.ts";
import { PlatformHere } from "./platform-here.ts";

const app = fileURLToPath(new URL("./replay-app.ts", import.meta.url));

let data: string;

/** Pages and purchases of twelve users in six hours, in no order. */
function events(count: number): readonly string[] {
  const random = new Random(5);
  return Array.from({ length: count }, (_, i) => {
    const user = `u${random.whole(0, 12)}`;
    const time = new Date(random.whole(0, 6 * 3_600) * 1_000 + i).toISOString();
    const envelope = { id: `${i}`, source: "web", time };
    if (random.whole(0, 4) > 0) {
      return JSON.stringify({ ...envelope, type: "test.page.shown", data: { user, ms: i / 7 } });
    }
    const items = Array.from({ length: random.whole(0, 3) }, (_, n) => ({ sku: `s${n}`, cents: n }));
    const from = random.whole(0, 2) === 0 ? {} : { from: { campaign: `c${i % 5}` } };
    return JSON.stringify({ ...envelope, type: "test.thing.bought", data: { user, items, ...from } });
  });
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "tidemark-replay-views-"));
  const platform = await PlatformHere.start(data, app);
  await platform.ingest(events(1_500).join("\n"));
  await platform.runIsDone(await platform.startRun());
  await platform.stop();
}, 60_000);

afterAll(() => rm(data, { recursive: true, force: true }));

async function replay(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  const { code, out, err } = await tidemarkHere(["replay", ...args, "--app", app, "--data", data]);
  return { code, out: out + err };
}

test.each(["visits", "speed"])(
  "%s: from the log and from files, the fold is what SQL computes",
  async (view) => {
    for (const from of [[], ["--archived"]]) {
      const { code, out } = await replay(view, ...from);
      expect(out).toMatch(/equal: all \d+ keys, folded and in generation g-/);
      expect(out).toMatch(/equal: all \d+ keys, folded and in the same computed by SQL now/);
      expect(code).toBe(0);
    }
  },
);

test("a fold that does something else than SQL is found, with the keys", async () => {
  const { code, out } = await replay("miscounted");
  expect(code).toBe(1);
  expect(out).toMatch(/DIFFERENT: 1\d of 1\d keys, folded and in generation/);
  expect(out).toMatch(/\["u0"\] +0 +\{"pages":\d+\} +\{"pages":\d+\}/);
});

test("what is kept under a name is answered as of that name, and by nothing else", async () => {
  for (const view of ["visits", "speed", "miscounted"]) {
    const { out } = await replay(view, "--as", "folded");
    expect(out).toContain("kept as g-folded, by which --as-of asks for it");
  }
  expect((await replay("visits", "--as", "g-folded")).out).toContain("TIDEMARK_GENERATION_EXISTS");
  const platform = await PlatformHere.start(data, app);
  try {
    await platform.caughtUp("visits");
    const rows = async (view: string, asOf: string, measures: string) =>
      (await platform.rows(view, { asOf, measures })).rows;
    const { provenance, rows: counted } = await platform.rows("miscounted");
    const generation = provenance.generation ?? "";
    const twice = counted.map((row) => ({ ...row, pages: 2 * Number(row.pages) }));
    expect(await rows("miscounted", "g-folded", "pages")).toEqual(twice);
    expect(await rows("miscounted", provenance.position, "pages")).toEqual(counted);
    const { out } = await tidemarkHere([
      ...["sql", "SELECT * FROM miscounted ORDER BY user", "--as-of", "g-folded", "--json"],
      ...["--url", platform.url],
    ]);
    expect(JSON.parse(out).rows).toEqual(twice);
    for (const [view, measures] of [
      ["visits", "pages,purchases,campaign"],
      ["speed", "slow,users"],
    ] as const) {
      const { provenance: served } = await platform.rows(view);
      const folded = await rows(view, "g-folded", measures);
      expect(folded.length).toBeGreaterThan(10);
      expect(folded).toEqual(await rows(view, served.generation ?? "", measures));
    }
    expect(generation).not.toBe("g-folded");
  } finally {
    await platform.stop();
  }
});
