import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeRun, hasZeroDrift, type ReconciledRun } from "../../examples/demo/batch-runs.ts";
import { answersTo } from "../../examples/flights/answers.ts";
import type { Reconciliation } from "../../infra/generations/generations.ts";
import type { Run } from "../../infra/jobs/jobs.ts";

const demo = fileURLToPath(new URL("../../examples/flights/demo.ts", import.meta.url));

function reconciledRun(records: number, reconciliation: Reconciliation): ReconciledRun {
  const run: Run = {
    id: "r",
    state: "succeeded",
    requestedBy: "http",
    requestedAt: "2001-07-01T00:00:00.000Z",
    startedAt: null,
    finishedAt: null,
    progress: null,
    error: null,
    result: null,
  };
  const reconciled = [{ view: "v", generation: "g", createdAt: "", cut: "", reconciliation }];
  return { run, tookMs: 1500, records, reconciled };
}

const same = {
  kind: "compared",
  against: null,
  keys: 7,
  differing: 0,
  largestDrift: 0,
  examples: [],
} as const;
const drifted = { ...same, differing: 1, largestDrift: 3 } as const;
const notCompared = { kind: "not-compared", reason: "the speed layer was down" } as const;

test("a run is free of drift only if it was compared, unless there was nothing to compare", () => {
  expect(hasZeroDrift(reconciledRun(9, same))).toBe(true);
  expect(hasZeroDrift(reconciledRun(9, drifted))).toBe(false);
  expect(hasZeroDrift(reconciledRun(9, notCompared))).toBe(false);
  expect(hasZeroDrift(reconciledRun(0, notCompared))).toBe(true);
});

test("a run is told in one line where the layers agree, else view by view", () => {
  expect(describeRun(1, "flights", reconciledRun(9, same))).toBe(
    "batch run 1: 9 flights in 1.50 s · zero drift in v 7 keys",
  );
  expect(describeRun(2, "flights", reconciledRun(9, drifted))).toContain(
    "\n    v: DRIFT in 1 of 7 keys, by up to 3",
  );
  expect(describeRun(3, "flights", reconciledRun(9, notCompared))).toContain(
    "v: not compared: the speed layer was down",
  );
});

test("the demo finds every answer exact, without and with a generation, and ends with 0", async () => {
  const child = spawn(process.execPath, ["--import", "tsx", demo, "--exit", "--events", "20000"]);
  let written = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      written += chunk;
    });
  }
  const [code] = await once(child, "close");
  expect(written).toContain("✓ every answer exact, zero drift in all of");
  expect(written.match(/ ✓$/gm)).toHaveLength((await answersTo(20_000)).length);
  expect(code).toBe(0);
}, 120_000);
