import { expect, test } from "vitest";
import { Progress } from "../../batch-layer/run-progress.ts";
import { airportHours, routesByDay } from "../../examples/flights/app.ts";

test("of views that are computed side by side, how far the run is never falls", () => {
  const told: number[] = [];
  const progress = new Progress([airportHours, routesByDay], ({ fraction }) => told.push(fraction));
  progress.computing(airportHours, 0);
  progress.computing(routesByDay, 0.5);
  progress.reconciling(airportHours, 0.5);
  progress.reconciling(routesByDay, 0.5);
  progress.reconciling(airportHours, 1);
  progress.reconciling(routesByDay, 1);
  progress.publishing(1);
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  expect(told.at(-2)).toBeCloseTo(0.96);
  expect(told.at(-1)).toBe(1);
});
