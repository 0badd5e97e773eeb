import { afterEach, expect, test } from "vitest";
import { count, defineApp, defineView, sum, tumbling } from "../../views/index.ts";
import { cutAt, mergedRows, Running } from "./running.ts";
import { SeveralWorkers } from "./several-workers.ts";
import { expectedRows, placesByHour, type Visit, visit, visits } from "./visits.ts";

/** The same meaning, so that what is expected of the one is expected of the other. */
const second = defineView({
  name: placesByHour.name,
  version: 2,
  from: visit,
  by: (f) => ({ place: f.place, hour: tumbling("1h") }),
  measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
});
const app = defineApp({ name: "visits", views: [...visits.views, second] });

const made = (from: number, length: number): Visit[] =>
  Array.from({ length }, (_, i) => ({
    id: String(from + i),
    place: `${(from + i) % 7}`,
    time: ((from + i) % 5) * 3_600_000,
    stay: i,
  }));

/** What the second version holds of the records from the cut on. */
function expected(appended: readonly (readonly Visit[])[], from: readonly number[]) {
  const { places } = expectedRows(
    appended,
    from,
    appended.map(({ length }) => length),
  );
  return Object.fromEntries(Object.entries(places).map(([key, cells]) => [key, cells.slice(0, 2)]));
}

let running: Running | undefined;
let several: SeveralWorkers | undefined;
afterEach(async () => {
  await running?.end();
  await several?.end();
  running = undefined;
  several = undefined;
});

test("a later version without a generation begins where the log ends, and holds up no other view", async () => {
  running = await Running.start();
  await running.append(0, made(0, 20));
  await running.caughtUp();
  await running.stopSpeed();
  await running.startSpeed({ app });
  const { tail, nexts } = running;
  expect(tail.position(placesByHour)).toEqual(cutAt(nexts));
  expect(tail.position(second)).toEqual(cutAt(nexts));
  expect(tail.segments(second, {})).toBeUndefined();
  expect(tail.segments(placesByHour, {})).toBeDefined();
  await running.append(0, made(20, 10));
  await running.append(1, made(100, 5));
  await running.caughtUp(app.views);
  expect(mergedRows(second, tail.segments(second, cutAt([20, 0])) ?? [])).toEqual(
    expected(running.appended, [20, 0]),
  );
  // Nor does it fold what lies before in the background.
  await running.speed.seal();
  expect(tail.segments(second, {})).toBeUndefined();
});

test.each([
  ["before where it began", [15, 0]],
  ["where it began", [20, 0]],
  ["after it", [26, 3]],
])("its first generation may end %s: the tail goes on from there", async (_, cut) => {
  running = await Running.start();
  await running.append(0, made(0, 20));
  await running.caughtUp();
  await running.stopSpeed();
  await running.startSpeed({ app });
  await running.append(0, made(20, 10));
  await running.append(1, made(100, 5));
  await running.caughtUp(app.views);
  running.pointers.point(second, cutAt(cut));
  const { tail } = running;
  await running.until(() => tail.segments(second, cutAt(cut)) !== undefined);
  expect(mergedRows(second, tail.segments(second, cutAt(cut)) ?? [])).toEqual(
    expected(running.appended, cut),
  );
  await running.stopSpeed();
  await running.startSpeed({ app });
  expect(mergedRows(second, running.tail.segments(second, cutAt(cut)) ?? [])).toEqual(
    expected(running.appended, cut),
  );
});

test("so it does where several workers fold, and serving nodes hear of it", async () => {
  several = await SeveralWorkers.start(undefined, app);
  await several.append(0, made(0, 20));
  several.assign("a", [0, 1]);
  const tail = await several.serve();
  await several.caughtUp(tail, app.views);
  expect(tail.segments(placesByHour, {})).toBeDefined();
  expect(tail.segments(second, {})).toBeUndefined();
  await several.append(0, made(20, 10));
  await several.append(1, made(100, 5));
  await several.caughtUp(tail, app.views);
  const cut = [15, 0];
  several.pointers.point(second, cutAt(cut));
  await several.until(tail, () => tail.segments(second, cutAt(cut)) !== undefined);
  expect(mergedRows(second, tail.segments(second, cutAt(cut)) ?? [])).toEqual(
    expected(several.appended, cut),
  );
  // One that takes over has it from the tail topic.
  await several.stop("a");
  several.assign("b", [0, 1]);
  await several.append(0, made(30, 3));
  await several.caughtUp(tail, app.views);
  expect(mergedRows(second, tail.segments(second, cutAt(cut)) ?? [])).toEqual(
    expected(several.appended, cut),
  );
});
