import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a process gives way, and one that does so already is left as it is", async () => {
  const module = new URL("../../infra/priority.ts", import.meta.url).href;
  const program = `
    const { lowerPriority } = await import(${JSON.stringify(module)});
    const { getPriority, setPriority } = await import("node:os");
    const seen = [];
    for (const first of [0, 15]) {
      if (first > 0) setPriority(first);
      lowerPriority();
      seen.push(getPriority());
    }
    console.log(JSON.stringify(seen));`;
  const args = ["--import", "tsx/esm", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(JSON.parse(stdout)).toEqual([10, 15]);
});

test.runIf(process.platform === "linux")(
  "a thread gives way by itself, and not below the lowest priority",
  async () => {
    const module = new URL("../../infra/priority.ts", import.meta.url).href;
    const program = `
    const { lowerThreadPriority } = await import(${JSON.stringify(module)});
    const { readdirSync } = await import("node:fs");
    const { getPriority } = await import("node:os");
    const of = () => readdirSync("/proc/self/task").map((id) => getPriority(Number(id)));
    const seen = [of().filter((priority) => priority > 0)];
    for (const steps of [5, 19]) {
      lowerThreadPriority(steps);
      seen.push(of().filter((priority) => priority > 0));
    }
    console.log(JSON.stringify(seen));`;
    const args = ["--import", "tsx/esm", "--input-type=module", "--eval", program];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(JSON.parse(stdout)).toEqual([[], [5], [19]]);
  },
);
