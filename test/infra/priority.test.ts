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
      lowerPriority(10);
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

test.runIf(process.platform === "linux")("the first thread's helpers give way, and it does not", async () => {
  const module = new URL("../../infra/priority.ts", import.meta.url).href;
  const program = `
    const { lowerHelpersPriority } = await import(${JSON.stringify(module)});
    const { readdirSync } = await import("node:fs");
    const { getPriority } = await import("node:os");
    lowerHelpersPriority(5);
    const own = getPriority(process.pid);
    const others = readdirSync("/proc/self/task").map(Number).filter((id) => id !== process.pid);
    console.log(JSON.stringify([own, [...new Set(others.map((id) => getPriority(id)))]]));`;
  const args = ["--import", "tsx/esm", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(JSON.parse(stdout)).toEqual([0, [5]]);
});
