import { expect, test } from "vitest";
import { surviveFlips } from "./flips.ts";

test("killed around runs and flips, a name answers as exactly one version, and exactly", async () => {
  const report = await surviveFlips({ seed: 1828, kills: 5 });
  expect(report.flipped + report.cutOff).toBe(5);
  expect(report.beforeBuilt, "killed while version 2 was being built").toBeGreaterThan(0);
  expect(report.flipped).toBeGreaterThan(0);
  expect(report.cutOff).toBeGreaterThan(0);
  expect(report.rowsCompared).toBeGreaterThan(5 * 2 * 18);
}, 300_000);
