import fc from "fast-check";
import { afterAll, beforeAll, test } from "vitest";
import type { Case, EventCase } from "./fuzz/case.ts";
import { check } from "./fuzz/check.ts";
import { Layers } from "./fuzz/layers.ts";

let layers: Layers;
beforeAll(async () => {
  layers = await Layers.open();
});
afterAll(() => layers[Symbol.asyncDispose]());

/** Minutes apart, where sessions go on for two: at the gap, just beyond it, and on both sides of a pane's beginning. */
const times = fc
  .tuple(fc.integer({ min: -9, max: 9 }), fc.constantFrom(0, 0, 1))
  .map(([minutes, ms]) => minutes * 60_000 + ms);

const event: fc.Arbitrary<EventCase> = fc.record({
  ...{ source: fc.constant("s"), id: fc.nat(1_000_000).map(String), zone: fc.constant(0), time: times },
  data: fc.record({
    ...{
      text: fc.constantFrom("a", "b", "a\0"),
      whole: fc.constantFrom(1, 2 ** 53 - 1),
      real: fc.constant(0.1),
    },
    order: fc.boolean(),
  }),
});

const field = (name: string) => ({ kind: "field", name }) as const;
const measured = (aggregate: string, name: string) => ({ aggregate, input: field(name), where: null });

const cases: fc.Arbitrary<Case> = fc.record({
  view: fc.record({
    dimensions: fc.constantFrom([], [field("text")], [field("order"), field("note")]),
    ...{ window: fc.constant("session 2m"), where: fc.constantFrom(null, field("order")) },
    measures: fc.constant([
      measured("sumOfIntegers", "whole"),
      measured("latestText", "text"),
      measured("countDistinctTexts", "text"),
      measured("maxOfFloats", "real"),
      measured("earliestBoolean", "order"),
    ]),
  }),
  ...{ duplicatesWithin: fc.constant(3), recordsPerFile: fc.constant(1_000_000) },
  ...{ archiverChanges: fc.constant(false), repeat: fc.constant(1) },
  partitions: fc.array(fc.array(event, { maxLength: 8 }), { minLength: 1, maxLength: 3 }),
  cuts: fc.array(fc.nat(8), { minLength: 3, maxLength: 3 }),
});

test("sessions of records minutes apart are those of plain arrays, in both layers and across any cut", async () => {
  await fc.assert(
    fc.asyncProperty(cases, (c) => check(layers, c)),
    { numRuns: 60 },
  );
}, 120_000);
