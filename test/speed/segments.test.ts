import { afterEach, expect, test } from "vitest";
import { recordsBetween } from "../../views/cut.ts";
import { cutAt, mergedRows, nextsOf, Running, type RunningOptions } from "./running.ts";
import { expectedRows, longVisits, placesByHour, type Visit, visits } from "./visits.ts";

let running: Running | undefined;

async function started(options?: RunningOptions): Promise<Running> {
  running = await Running.start(options);
  return running;
}

afterEach(async () => {
  await running?.end();
  running = undefined;
});

/** Visits with ids `from`, `from + 1`, …, each to a place of its own. */
function visitsFrom(from: number, length: number): Visit[] {
  return Array.from({ length }, (_, i) => ({
    id: String(from + i),
    place: `p${from + i}`,
    time: (from + i) * 600_000,
    stay: from + i,
  }));
}

function placesSince(speed: Running, cut: readonly number[]) {
  const segments = speed.tail.segments(placesByHour, cutAt(cut));
  return segments === undefined ? undefined : mergedRows(placesByHour, segments);
}

function expectedPlaces(speed: Running, from: readonly number[]) {
  return expectedRows(speed.appended, from, nextsOf(speed.tail.position(placesByHour))).places;
}

test("a view whose generation is ahead begins anew there, and another view of the topic leaves nothing out", async () => {
  const speed = await started();
  await speed.append(0, visitsFrom(0, 5));
  await speed.caughtUp();
  await speed.stopSpeed();
  await speed.append(0, visitsFrom(5, 10));
  speed.pointers.point(placesByHour, cutAt([9, 0]));
  await speed.startSpeed();
  await speed.caughtUp();
  expect(placesSince(speed, [0, 0])).toBeUndefined();
  expect(placesSince(speed, [9, 0])).toEqual(expectedPlaces(speed, [9, 0]));
  expect(mergedRows(longVisits, speed.tail.segments(longVisits, {}) ?? [])).toEqual(
    expectedRows(speed.appended, [0, 0], [15, 0]).long,
  );
});

test("a reader that goes on to a generation and back before this has heard of it finds what it left", async () => {
  const speed = await started();
  await speed.append(0, visitsFrom(0, 5));
  await speed.caughtUp();
  const [older, newer] = [cutAt([2, 0]), cutAt([5, 0])];
  speed.pointers.point(placesByHour, older);
  await speed.until(() => placesSince(speed, [2, 0]) !== undefined);
  await speed.speed.seal();
  speed.tail.release(placesByHour, newer);
  expect(placesSince(speed, [2, 0])).toEqual(expectedPlaces(speed, [2, 0]));
  // As soon as it hears of it, it lets go as well.
  speed.pointers.point(placesByHour, newer);
  await speed.until(() => placesSince(speed, [2, 0]) === undefined);
  expect(placesSince(speed, [5, 0])).toEqual({});
});

test("a view that is ahead by many batches stays where it is until the others are there", async () => {
  const speed = await started();
  await speed.stopSpeed();
  await speed.append(0, visitsFrom(0, 3500));
  speed.pointers.point(placesByHour, cutAt([2500, 0]));
  await speed.startSpeed();
  await speed.until(() => (nextsOf(speed.tail.position(longVisits))[0] ?? 0) > 0);
  expect(nextsOf(speed.tail.position(placesByHour))[0]).toBeGreaterThanOrEqual(2500);
  await speed.caughtUp();
  expect(placesSince(speed, [2500, 0])).toEqual(expectedPlaces(speed, [2500, 0]));
});

test("after every view has jumped forward, duplicates of records that were passed over are known", async () => {
  const speed = await started();
  await speed.append(0, visitsFrom(0, 2));
  await speed.caughtUp();
  await speed.stopSpeed();
  await speed.append(0, [...visitsFrom(2, 20), ...visitsFrom(19, 4)]);
  for (const view of visits.views) speed.pointers.point(view, cutAt([22, 0]));
  await speed.startSpeed();
  await speed.caughtUp();
  expect(placesSince(speed, [22, 0])).toEqual(expectedPlaces(speed, [22, 0]));
  expect(Object.keys(placesSince(speed, [22, 0]) ?? {})).toHaveLength(1);
});

test("pointing back to an older generation folds what lies between from the log, duplicates as ever", async () => {
  const speed = await started();
  await speed.append(0, [...visitsFrom(0, 10), ...visitsFrom(7, 3), ...visitsFrom(10, 5)]);
  await speed.caughtUp();
  speed.pointers.point(placesByHour, await speed.speed.seal());
  speed.tail.release(placesByHour, cutAt([18, 0]));
  expect(placesSince(speed, [0, 0])).toBeUndefined();
  speed.pointers.point(placesByHour, cutAt([10, 0]));
  await speed.until(() => placesSince(speed, [10, 0]) !== undefined);
  expect(placesSince(speed, [10, 0])).toEqual(expectedPlaces(speed, [10, 0]));
  expect(Object.keys(placesSince(speed, [10, 0]) ?? {})).toHaveLength(5);
});

test("a cut in the midst of a segment gets a boundary, and the boundaries that were there stay until released", async () => {
  const speed = await started();
  await speed.append(0, visitsFrom(0, 20));
  await speed.append(1, visitsFrom(50, 3));
  await speed.caughtUp();
  await speed.speed.seal();
  await speed.append(0, visitsFrom(20, 20));
  await speed.caughtUp();
  for (const cut of [
    [7, 1],
    [33, 2],
  ]) {
    speed.pointers.point(placesByHour, cutAt(cut));
    await speed.until(() => placesSince(speed, cut) !== undefined);
  }
  for (const cut of [
    [0, 0],
    [7, 1],
    [20, 3],
    [33, 2],
  ]) {
    if (placesSince(speed, cut) === undefined) continue;
    expect(placesSince(speed, cut)).toEqual(expectedPlaces(speed, cut));
  }
  expect(placesSince(speed, [0, 0])).toBeDefined();
  speed.tail.release(placesByHour, cutAt([33, 2]));
  expect(placesSince(speed, [0, 0])).toBeUndefined();
  expect(placesSince(speed, [33, 2])).toEqual(expectedPlaces(speed, [33, 2]));
});

test("a seal gives the position, and what was sealed does not change any more", async () => {
  const speed = await started();
  await speed.append(0, visitsFrom(0, 4));
  await speed.caughtUp();
  const cut = await speed.speed.seal();
  expect(nextsOf(cut)).toEqual([4, 0]);
  const [sealed] = speed.tail.segments(placesByHour, {}) ?? [];
  const before = mergedRows(placesByHour, sealed === undefined ? [] : [sealed]);
  await speed.append(0, visitsFrom(0, 30));
  await speed.caughtUp();
  expect(mergedRows(placesByHour, sealed === undefined ? [] : [sealed])).toEqual(before);
  expect(placesSince(speed, [4, 0])).toEqual(expectedPlaces(speed, [4, 0]));
});

test("many seals make few segments: neighbours are merged where nobody needs the boundary", async () => {
  const speed = await started();
  const folded = async (round: number) => {
    // The same places each time, so that merging has states to merge.
    const again = visitsFrom(0, 6).flatMap((each) => (each === "garbage" ? [] : [each]));
    await speed.append(
      0,
      again.map((each) => ({ ...each, id: `${round}-${each.id}` })),
    );
    await speed.caughtUp();
    return nextsOf(await speed.speed.seal());
  };
  await folded(0);
  const needed = await folded(1);
  speed.pointers.point(placesByHour, cutAt(needed));
  const unneeded = await folded(2);
  for (let round = 3; round < 12; round++) await folded(round);
  const length = () =>
    (speed.tail.segments(placesByHour, {}) ?? []).filter((segment) => segment.partition === 0).length;
  await speed.until(() => length() <= 4);
  expect(placesSince(speed, [0, 0])).toEqual(expectedPlaces(speed, [0, 0]));
  expect(placesSince(speed, needed)).toEqual(expectedPlaces(speed, needed));
  expect(placesSince(speed, unneeded)).toBeUndefined();
  await speed.stopSpeed();
  await speed.startSpeed();
  expect(length()).toBeLessThanOrEqual(4);
  expect(placesSince(speed, needed)).toEqual(expectedPlaces(speed, needed));
});

test("the tail asks for room once when it nears its bound, stops at the bound, and goes on once released", async () => {
  const speed = await started({ entries: 100 });
  await speed.append(0, visitsFrom(0, 1));
  await speed.caughtUp();
  // 1,000 records are delivered at once, the next ones wait.
  for (let i = 0; i < 3; i++) await speed.append(0, visitsFrom(i * 1000, 1000));
  await speed.until(() => speed.timesNearBound > 0);
  const cut = await speed.speed.seal();
  expect(recordsBetween(cut, cutAt(speed.nexts))).toBeGreaterThan(0);
  for (let folded = cut; recordsBetween(folded, cutAt(speed.nexts)) > 0; folded = await speed.speed.seal()) {
    const near = speed.timesNearBound;
    for (const view of visits.views) speed.pointers.point(view, folded);
    for (const view of visits.views) speed.tail.release(view, folded);
    await speed.until(
      () =>
        recordsBetween(folded, speed.tail.position(placesByHour)) > 0 && speed.timesNearBound === near + 1,
    );
  }
  expect(speed.unaligned).toEqual([]);
});

test("every change of a state or a position counts the version up and is told", async () => {
  const speed = await started();
  let told = 0;
  let version = speed.tail.version;
  const advance = speed.tail.onAdvance(() => {
    told++;
    expect(speed.tail.version).toBeGreaterThan(version);
    version = speed.tail.version;
  });
  await speed.append(1, visitsFrom(0, 3));
  await speed.caughtUp();
  expect(told).toBeGreaterThan(0);
  advance[Symbol.dispose]();
  const before = told;
  await speed.append(1, visitsFrom(3, 3));
  await speed.caughtUp();
  expect(told).toBe(before);
});

test("what is no event is passed over and counted, as are duplicates", async () => {
  const speed = await started();
  await speed.append(0, [...visitsFrom(0, 3), "garbage", ...visitsFrom(1, 2)]);
  await speed.caughtUp();
  expect(speed.speed.skipped).toEqual({ duplicates: 2, undecodable: 1, forgotten: 0 });
  expect(placesSince(speed, [0, 0])).toEqual(expectedPlaces(speed, [0, 0]));
});
