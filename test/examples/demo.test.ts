import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { describeRun, hasZeroDrift, type ReconciledRun } from "../../examples/demo/batch-runs.ts";
import { answersTo } from "../../examples/flights/answers.ts";
import { questions } from "../../examples/web-analytics/questions.ts";
import type { Reconciliation } from "../../infra/generations/generations.ts";
import type { Run } from "../../infra/jobs/jobs.ts";

function reconciledRun(records: number, reconciliation: Reconciliation): ReconciledRun {
  const run: Run = {
    id: "r",
    kind: "batch",
    view: null,
    full: false,
    past: null,
    state: "succeeded",
    requestedBy: "http",
    requestedAt: "2001-07-01T00:00:00.000Z",
    startedAt: null,
    finishedAt: null,
    progress: null,
    error: null,
    result: null,
  };
  const made = { run: "r", kind: "batch", generation: "g" } as const;
  const reconciled = [{ ...made, view: "v", createdAt: "", cut: "", reconciliation }];
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

/** What a demo writes, and the code with which it ends. */
async function play(app: string, ...args: readonly string[]) {
  const demo = fileURLToPath(new URL(`../../examples/${app}/demo.ts`, import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx/esm", demo, "--exit", ...args]);
  let written = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      written += chunk;
    });
  }
  const [code] = await once(child, "close");
  return { written, code };
}

test("the demo finds every answer exact, without and with a generation, and ends with 0", async () => {
  const { written, code } = await play("flights", "--events", "20000");
  expect(written).toContain("✓ every answer exact, zero drift in all of");
  expect(written.match(/ ✓$/gm)).toHaveLength((await answersTo(20_000)).length);
  expect(code).toBe(0);
}, 120_000);

test("the demo of web analytics finds every row right at each stop and after the last run, and ends with 0", async () => {
  const { written, code } = await play("web-analytics", "--events", "6000", "--seed", "5");
  expect(written).toContain("✓ every row exact or within its error, zero drift in all of");
  for (const share of [25, 50, 75, 100]) expect(written).toContain(`at ${share} %: ✓ all `);
  const times = 5;
  expect(written.match(/\d ✓/g)).toHaveLength(questions.length * times);
  expect(code).toBe(0);
}, 120_000);
