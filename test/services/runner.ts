import { inject, type RunnerTestFile, type RunnerTestSuite, TestRunner } from "vitest";
import { needsOf } from "./needs.ts";
import type { Absence } from "./setup.ts";

type Source = Parameters<TestRunner["importFile"]>[1];

/**
 * Leaves out the test files whose Kafka or Redis can't be had, hooks and all; the closing lines name them. Where that is
 * a failure each of them fails.
 */
export default class ServicesRunner extends TestRunner {
  override importFile(path: string, source: Source): unknown {
    const absence = absenceFor(path);
    if (source === "collect" && absence?.isFailure === true) throw new Error(absence.why);
    return super.importFile(path, source);
  }

  onCollected(files: RunnerTestFile[]): void {
    for (const file of files) {
      if (absenceFor(file.filepath) !== undefined) leaveOut(file);
    }
  }
}

function absenceFor(path: string): Absence | undefined {
  const absent = inject("absentServices");
  return needsOf(path)
    .map((name) => absent[name])
    .find((absence) => absence !== undefined);
}

function leaveOut(suite: RunnerTestSuite): void {
  suite.mode = "skip";
  for (const task of suite.tasks) {
    if (task.type === "suite") leaveOut(task);
    else task.mode = "skip";
  }
}
