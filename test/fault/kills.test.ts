import { expect, test } from "vitest";
import { surviveKills } from "./kills.ts";

test("killed at any moment, it goes on with every acknowledged event counted once", async () => {
  const report = await surviveKills({ seed: 1789, kills: 5, events: 60_000 });
  expect(report.restarts).toBe(5);
  expect(report.rowsCompared).toBeGreaterThan(10_000);
}, 180_000);
