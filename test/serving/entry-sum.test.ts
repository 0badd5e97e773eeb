import fc from "fast-check";
import { expect, test } from "vitest";
import { airportHours } from "../../examples/flights/app.ts";
import type { Entry } from "../../infra/tail/tail.ts";
import { EntrySum } from "../../serving-layer/live/entry-sum.ts";
import { mergeState, zeroState } from "../../views/view.ts";

/** How many entries are added at once, and which are changed after. */
const steps = fc.array(
  fc.record({ added: fc.nat({ max: 700 }), changed: fc.array(fc.nat({ max: 3_000 }), { maxLength: 5 }) }),
  { minLength: 1, maxLength: 8 },
);

test("the sum is what the entries give one by one, however they come and change", () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const sum = new EntrySum(airportHours);
      const entries: Entry[] = [];
      const stretches: number[] = [];
      for (const { added, changed } of taken) {
        for (let i = 0; i < added; i++) {
          const entry = { cells: [1, i, 3 * i, 1, i % 2] } as unknown as Entry;
          entries.push(entry);
          stretches.push(sum.add(entry));
        }
        for (const i of changed) {
          const entry = entries[i % entries.length];
          if (entry === undefined) continue;
          const more = [1, 1_000 + i, -i, 1, 0];
          mergeState(airportHours, entry.cells as number[], more);
          sum.changed(stretches[i % entries.length] ?? 0);
        }
        const cells = zeroState(airportHours);
        sum.mergeInto(cells);
        const expected = zeroState(airportHours);
        for (const { cells: each } of entries) mergeState(airportHours, expected, each);
        expect(cells).toEqual(expected);
      }
    }),
    { numRuns: 100 },
  );
});
