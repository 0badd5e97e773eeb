import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, the longest first: one that begins last keeps all others waiting for its end. */
const long = [
  "test/parity/fuzz.test.ts",
  "test/fault/kills.test.ts",
  "test/integration/compact.test.ts",
  "test/fault/flips.test.ts",
  "test/integration/replay.test.ts",
  "test/integration/evolution.test.ts",
  "test/integration/as-of.test.ts",
  "test/integration/rebuild.test.ts",
  "test/integration/replay-views.test.ts",
  "test/integration/verify.test.ts",
  "test/fault/every-aggregate.test.ts",
  "test/integration/up.test.ts",
  "test/integration/versions.test.ts",
  "test/serving/sql-sandbox.test.ts",
  "test/integration/sources.test.ts",
];

/** Begins with the files that take longest. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const place = ({ moduleId }: TestSpecification) => {
      const at = long.findIndex((name) => moduleId.endsWith(name));
      return at === -1 ? long.length : at;
    };
    return others.sort((a, b) => place(a) - place(b));
  }
}
