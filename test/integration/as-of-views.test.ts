import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
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
  } finally {
    await platform.stop();
    await rm(data, { recursive: true, force: true });
  }
});
