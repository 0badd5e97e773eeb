import { expect, test } from "vitest";
import { wantedTopics } from "../../infra/kafka/topics.ts";
import {
  count,
  defineApp,
  defineEvent,
  defineView,
  session,
  sliding,
  Type,
  tumbling,
} from "../../views/index.ts";
import type { Window } from "../../views/window.ts";

const landed = (name = "test.flight.landed", partitions = 3) =>
  defineEvent({ name, schema: Type.Object({ origin: Type.String() }), partitions });
const flights = (publish?: boolean, version = 1, from = landed(), window?: Window) =>
  defineView({
    ...{ name: "flights", version, from, ...(publish === undefined ? {} : { publish }) },
    by: (f) => ({ origin: f.origin, ...(window && { at: window }) }),
    measures: () => ({ flights: count() }),
  });

const changes = (...views: ReturnType<typeof flights>[]) =>
  wantedTopics(defineApp({ name: "air", views }))
    .filter(({ what }) => what === "changes")
    .map(({ name, partitions, config }) => [name, partitions, config["cleanup.policy"]]);

test("a view that is published has a compacted topic of as many partitions as its events', each version one of its own", () => {
  const event = landed();
  expect(changes(flights(undefined, 1, event), flights(false, 2, event))).toEqual([]);
  expect(changes(flights(true, 1, event), flights(true, 2, event))).toEqual([
    ["air.flights.changes", 3, "compact"],
    ["air.flights.v2.changes", 3, "compact"],
  ]);
  expect(flights(true, 1, event).fingerprint).toBe(flights(false, 1, event).fingerprint);
});

test("rows that are put together when they are asked for can't be published", () => {
  for (const window of [session("30m"), sliding("1h", { every: "5m" })]) {
    expect(() => flights(true, 1, landed(), window)).toThrow(
      expect.objectContaining({ code: "TIDEMARK_DECLARATION_WINDOW" }),
    );
  }
  expect(flights(true, 1, landed(), tumbling("1h")).publish).toBe(true);
});

test("an event type can't have the topic of changes", () => {
  const event = landed("air.flights.changes");
  expect(() => defineApp({ name: "air", views: [flights(true, 1, event)] })).toThrow(
    /an event type is named "air\.flights\.changes"/,
  );
  expect(() => defineApp({ name: "air", views: [flights(false, 1, event)] })).not.toThrow();
});
