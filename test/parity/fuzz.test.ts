import { expect, test } from "vitest";
import { jsonOf } from "./fuzz/case.ts";
import { fuzz } from "./fuzz/fuzz.ts";

// Two at a time: while DuckDB is at work on the one, the other folds.
test.concurrent.each([1789, 1815])(
  "whatever the view, the events and the cut, both layers mean what was declared (seed %i)",
  async (seed) => {
    const { cases, failure } = await fuzz({ seed, cases: 1_000 });
    if (failure !== undefined) {
      const hint = `\`npm run fuzz -- --seed ${seed}\` writes it down`;
      throw new Error(`${failure.message} (${hint}): ${jsonOf(failure.case)}`);
    }
    expect(cases).toBe(1_000);
  },
  600_000,
);
