import { expect, test } from "vitest";
import { compareAtMoments } from "./moments.ts";

test("at every moment merged rows equal DuckDB over the records, with 5 % of the posts repeated", async () => {
  const report = await compareAtMoments({ seed: 2001, moments: 10, events: 60_000, duplicates: 0.05 });
  expect(report.runs).toBeGreaterThan(0);
  expect(report.rowsCompared).toBeGreaterThan(50_000);
  expect(report.compared).toBeGreaterThan(0);
  expect(report.differing).toBe(0);
}, 180_000);
