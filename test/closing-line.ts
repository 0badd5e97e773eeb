import type { Reporter, TestModule, Vitest } from "vitest/node";
import { needsOf } from "./services/needs.ts";
// For what it provides.
import type {} from "./services/setup.ts";

/**
 * Ends a test run with one plain line, `N passed, N failed, N skipped`, for whoever reads the log of a machine. Above it
 * stands which tests were not run because there is no Kafka or no Redis here, and how to get it.
 */
export default class ClosingLine implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === "pending" ? "skipped" : state]++;
      }
    }
    process.stdout.write(
      `${this.#notRun(modules)}\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`,
    );
  }

  #notRun(modules: readonly TestModule[]): string {
    const services = this.#vitest?.projects.find(({ name }) => name === "services");
    const absent = services?.getProvidedContext().absentServices ?? {};
    return Object.entries(absent)
      .filter(([, { isFailure }]) => !isFailure)
      .map(([name, { why }]) => {
        const needed = name === "programs" ? "a Kafka and a Redis of their own" : `a ${name}`;
        const left = modules.filter(({ moduleId }) => needsOf(moduleId).some((need) => need === name));
        const tests = left.reduce((sum, { children }) => sum + [...children.allTests()].length, 0);
        const files = left.map(({ relativeModuleId }) => `  ${relativeModuleId}\n`).join("");
        return `\nNOT RUN: ${tests} tests that need ${needed}, in\n${files}  ${why}\n`;
      })
      .join("");
  }
}
