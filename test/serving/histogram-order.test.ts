import { expect, test } from "vitest";
import { compareValues } from "../../serving-layer/order.ts";

const bins = (count: number) => [
  { from: null, to: 0, count },
  { from: 0, to: null, count: 1 },
];

test("two histograms are the same exactly if their counts are", () => {
  expect(compareValues(bins(1), bins(1))).toBe(0);
  expect(compareValues(bins(1), bins(2))).not.toBe(0);
});
