import { defineConfig } from "vitest/config";
import { servicesTests } from "./test/services/needs.ts";

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    reporters: ["default", "./test/closing-line.ts"],
    projects: [
      {
        extends: true,
        test: { name: "alone", include: ["test/**/*.test.ts"], exclude: [...servicesTests] },
      },
      {
        extends: true,
        test: {
          name: "services",
          include: [...servicesTests],
          globalSetup: "./test/services/setup.ts",
          runner: "./test/services/runner.ts",
        },
      },
    ],
  },
});
