import { afterEach, beforeEach, expect, test } from "vitest";
import { offset } from "../../views/cut.ts";
import { cutAt, mergedRows, Running } from "./running.ts";
import { placesByHour, type Visit, visit, visits } from "./visits.ts";

const made = (id: string): Visit => ({ id, place: "ORD", time: 0, stay: 5 });
/** What the master dataset has of the records before the cut: "a", at offset 0, was erased. */
const kept = ["b", "c"].map((id, i) => ({ source: "test", id, offset: offset(1 + i) }));

let running: Running;

beforeEach(async () => {
  running = await Running.start({
    archivedIds: async function* ({ topic, partition, from, next }) {
      if (topic !== visit.name || partition !== 0) return;
      yield* kept.filter((each) => each.offset >= from && each.offset < next);
    },
  });
});
afterEach(() => running.end());

const visitsSince = (cut: readonly number[]) => {
  const segments = running.tail.segments(placesByHour, cutAt(cut)) ?? [];
  return mergedRows(placesByHour, segments)['[["ORD"],0]']?.[0] ?? 0;
};

test("renewed, the tail is what it had been if what was erased had never come, and goes on so", async () => {
  await running.append(0, ["a", "b", "c"].map(made));
  await running.caughtUp();
  await running.speed.seal();
  for (const view of visits.views) running.pointers.point(view, cutAt([3, 0]));
  // "a" and "b" were seen before: both are duplicates.
  await running.append(0, ["a", "d", "b"].map(made));
  await running.caughtUp();
  expect(visitsSince([3, 0])).toBe(1);

  let isLetGo = false;
  await running.speed.renew(async () => {
    expect(visitsSince([3, 0])).toBe(1);
    await running.trim(0, 3);
    isLetGo = true;
  });
  expect(isLetGo).toBe(true);
  expect(running.tail.position(placesByHour)).toEqual(cutAt([6, 0]));
  expect(visitsSince([3, 0])).toBe(2);

  await running.append(0, ["a", "c", "e"].map(made));
  await running.caughtUp();
  // "a" came again after it was erased, and then once more; "c" is within the records before.
  expect(visitsSince([3, 0])).toBe(3);
  await running.stopSpeed();
  await running.startSpeed();
  await running.append(0, [made("f")]);
  await running.caughtUp();
  expect(visitsSince([3, 0])).toBe(4);
});
