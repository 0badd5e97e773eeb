import { expect, test } from "vitest";
import { count, defineEvent, defineView, session, sum, Type } from "../../views/index.ts";
import { isFolded, isRecomputed, type Layers } from "../../views/layers.ts";
import { needsGeneration } from "../../views/version.ts";

const landed = defineEvent({
  name: "test.flight.landed",
  schema: Type.Object({ origin: Type.String(), delay: Type.Integer() }),
  partitions: 1,
});
const delays = (layers?: Layers, version = 1) =>
  defineView({
    ...{ name: "delays", version, ...(layers === undefined ? {} : { layers }) },
    from: landed,
    by: (f) => ({ origin: f.origin }),
    measures: (f) => ({ flights: count(), delay: sum(f.delay) }),
  });

test("a view is computed by both layers unless it is declared for one", () => {
  const views = [delays(), delays("both"), delays("batch"), delays("speed")];
  expect(views.map(({ layers }) => layers)).toEqual(["both", "both", "batch", "speed"]);
  expect(views.map(isFolded)).toEqual([true, true, false, true]);
  expect(views.map(isRecomputed)).toEqual([true, true, true, false]);
});

test("which layers compute a view changes nothing of what its states mean", () => {
  expect(
    new Set([delays(), delays("batch"), delays("speed")].map(({ fingerprint }) => fingerprint)).size,
  ).toBe(1);
});

test("a view of batch runs alone waits for a generation, and one of the speed layer alone for none, whatever its version", () => {
  expect([delays("batch"), delays("batch", 2)].map(needsGeneration)).toEqual([true, true]);
  expect([delays("speed"), delays("speed", 2)].map(needsGeneration)).toEqual([false, false]);
});

test("what names no layers is refused", () => {
  expect(() => delays("kappa" as Layers)).toThrow(
    expect.objectContaining({
      code: "TIDEMARK_DECLARATION_VIEW",
      message: 'view "delays": layers is one of "both", "batch", "speed", not "kappa"',
    }),
  );
});

test("sessions are shown as a view of the same layers", () => {
  const visits = defineView({
    ...{ name: "visits", layers: "batch", from: landed },
    by: (f) => ({ origin: f.origin, visit: session("30m") }),
    measures: () => ({ flights: count() }),
  });
  expect([visits.layers, visits.sessions?.shown.layers]).toEqual(["batch", "batch"]);
});
