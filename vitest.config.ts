import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";
import { servicesTests } from "./test/services/needs.ts";

/** Files run side by side: half of what they take is waiting for processes. */
const filesAtOnce = Math.max(2, availableParallelism() - 1);

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks",
    reporters: ["default", "./test/closing-line.ts"],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "alone",
          // Whatever a file changes it puts back, so that workers need not load everything anew for each.
          isolate: false,
          include: ["test/**/*.test.ts"],
          exclude: [...servicesTests],
          maxWorkers: filesAtOnce,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "services",
          maxWorkers: filesAtOnce,
          sequence: { groupOrder: 1 },
          include: [...servicesTests],
          globalSetup: "./test/services/setup.ts",
          runner: "./test/services/runner.ts",
        },
      },
    ],
  },
});
