import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Duckdb } from "../../infra/duckdb.ts";
import { archivedEvents } from "../../infra/master/archived-events.ts";
import { archivedIds } from "../../infra/master/archived-ids.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { TailCheckpoint } from "../../infra/tail/checkpoint.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { offset } from "../../views/cut.ts";
import { count, defineApp, defineView, max, sum, tumbling } from "../../views/index.ts";
import { cutAt, mergedRows, Running } from "./running.ts";
import { SeveralWorkers } from "./several-workers.ts";
import { expectedRows, placesByHour, type Visit, visit, visits } from "./visits.ts";

/** The same meaning, so that what is expected of the one is expected of the other. */
const ofLayer = (layers: "batch" | "speed") =>
  defineView({
    ...{ name: `places-of-${layers}`, layers, from: visit },
    by: (f) => ({ place: f.place, hour: tumbling("1h") }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay), longest: max(f.stay) }),
  });
const [folded, recomputed] = [ofLayer("speed"), ofLayer("batch")];
const app = defineApp({ name: "visits", views: [...visits.views, folded, recomputed] });
const foldedAlone = defineApp({ name: "visits", views: [folded] });

const made = (from: number, length: number): Visit[] =>
  Array.from({ length }, (_, i) => ({
    id: String(from + i),
    place: `${(from + i) % 7}`,
    time: ((from + i) % 5) * 3_600_000,
    stay: i,
  }));

const all = (appended: readonly (readonly Visit[])[]) =>
  expectedRows(
    appended,
    [0, 0],
    appended.map(({ length }) => length),
  ).places;

let running: Running | undefined;
let several: SeveralWorkers | undefined;
afterEach(async () => {
  await running?.end();
  await several?.end();
  running = undefined;
  several = undefined;
});

test("a view that the speed layer alone computes is folded from the first record on, new or not, and holds up no other", async () => {
  running = await Running.start();
  await running.append(0, made(0, 20));
  await running.caughtUp();
  await running.stopSpeed();
  await running.startSpeed({ app });
  const { tail } = running;
  expect(tail.position(placesByHour)).toEqual(cutAt(running.nexts));
  await running.until(() => tail.segments(folded, {}) !== undefined);
  await running.append(0, made(20, 10));
  await running.append(1, made(100, 5));
  await running.caughtUp([...visits.views, folded]);
  expect(mergedRows(folded, tail.segments(folded, {}) ?? [])).toEqual(all(running.appended));
  // It goes on where it was.
  await running.stopSpeed();
  await running.append(1, made(200, 3));
  await running.startSpeed();
  await running.caughtUp([folded]);
  expect(mergedRows(folded, running.tail.segments(folded, {}) ?? [])).toEqual(all(running.appended));
});

test("seals and generations pass it by: nothing of it is cut off or let go", async () => {
  running = await Running.start({ app });
  await running.append(0, made(0, 20));
  await running.caughtUp([...visits.views, folded]);
  expect(await running.speed.seal()).toEqual(cutAt([20, 0]));
  // What an earlier declaration was cut at says nothing of this one.
  for (const view of [placesByHour, folded]) running.pointers.point(view, cutAt([20, 0]));
  running.tail.release(placesByHour, cutAt([20, 0]));
  await running.append(0, made(20, 4));
  await running.caughtUp([...visits.views, folded]);
  expect(running.tail.segments(folded, {})?.map(({ from, next }) => [from, next])).toEqual([
    [0, 24],
    [0, 0],
  ]);
  await using sealed = running.sealedTail(app);
  expect(sealed.rows(placesByHour, {}, cutAt([20, 0]))).toBeDefined();
  expect(sealed.rows(folded, {}, cutAt([20, 0]))).toBeUndefined();
});

test("no tail is kept of a view that batch runs alone compute, and a seal does not speak of topics of no other", async () => {
  running = await Running.start({ app });
  await running.append(0, made(0, 20));
  await running.caughtUp([...visits.views, folded]);
  expect(running.tail.segments(recomputed, cutAt([5, 0]))).toEqual([]);
  expect(running.tail.position(recomputed)).toEqual({});
  await running.stopSpeed();
  await running.startSpeed({ app: defineApp({ name: "visits", views: [recomputed] }) });
  expect(await running.speed.seal()).toEqual({});
  expect(running.speed.entries).toBe(0);
  // Nor is what was kept of it while it was folded.
  await running.stopSpeed();
  await running.startSpeed({ app: foldedAlone });
  expect(await running.speed.seal()).toEqual({});
  await running.caughtUp([folded]);
  await running.until(() => running?.tail.segments(folded, {}) !== undefined);
  expect(mergedRows(folded, running.tail.segments(folded, {}) ?? [])).toEqual(all(running.appended));
});

test("what was kept of a view while it was folded is let go of once it is not", async () => {
  running = await Running.start({ app: foldedAlone });
  await running.append(0, made(0, 20));
  await running.caughtUp([folded]);
  await running.stopSpeed();
  const kept = async (layers: "batch" | "speed") => {
    const view = { ...folded, layers };
    const of = { path: running?.checkpointPath ?? "", app: defineApp({ name: "visits", views: [view] }) };
    await using checkpoint = await TailCheckpoint.open(of);
    return (await checkpoint.load()).length;
  };
  expect([await kept("speed"), await kept("batch"), await kept("speed")]).toEqual([2, 0, 0]);
});

test("declared for both layers again, its tail goes on at the generation that there is", async () => {
  running = await Running.start({ app: foldedAlone });
  await running.append(0, made(0, 20));
  await running.caughtUp([folded]);
  await running.stopSpeed();
  const again = defineView({
    ...{ name: folded.name, from: visit },
    by: (f) => ({ place: f.place, hour: tumbling("1h") }),
    measures: (f) => ({ visits: count(), stay: sum(f.stay), longest: max(f.stay) }),
  });
  running.pointers.point(again, cutAt([12, 0]));
  await running.startSpeed({ app: defineApp({ name: "visits", views: [again] }) });
  const { tail, nexts } = running;
  await running.until(() => tail.segments(again, cutAt([12, 0])) !== undefined);
  expect(mergedRows(again, tail.segments(again, cutAt([12, 0])) ?? [])).toEqual(
    expectedRows(running.appended, [12, 0], nexts).places,
  );
});

test("of several workers the one that takes over has all of it, and so have serving nodes", async () => {
  several = await SeveralWorkers.start(undefined, app);
  await several.append(0, made(0, 20));
  const tail = await several.serve();
  // Nobody knows yet what there is.
  expect(tail.segments(folded, {})).toBeUndefined();
  several.assign("a", [0, 1]);
  await several.append(1, made(100, 5));
  await several.caughtUp(tail, [...visits.views, folded]);
  await several.until(tail, () => tail.segments(folded, {}) !== undefined);
  // Each partition answers, those too of which nothing is sealed.
  expect(await several.seal.seal()).toEqual(cutAt([20, 5]));
  await several.stop("a");
  several.assign("b", [0, 1]);
  await several.append(0, made(30, 3));
  await several.caughtUp(tail, [...visits.views, folded]);
  expect(mergedRows(folded, tail.segments(folded, {}) ?? [])).toEqual(all(several.appended));
  expect(tail.segments(recomputed, {})).toEqual([]);
  const late = await several.serve();
  await several.caughtUp(late, [folded]);
  await several.until(late, () => late.segments(folded, {}) !== undefined);
  expect(mergedRows(folded, late.segments(folded, {}) ?? [])).toEqual(all(several.appended));
});

test("a worker of topics that nobody folds waits, and answers seals", async () => {
  several = await SeveralWorkers.start(undefined, defineApp({ name: "visits", views: [recomputed] }));
  await several.append(0, made(0, 20));
  several.assign("a", [0, 1]);
  const tail = await several.serve();
  expect(await several.seal.seal()).toEqual(cutAt([0, 0]));
  expect(tail.segments(recomputed, cutAt([20, 0]))).toEqual([]);
  expect(several.workers.get("a")?.obstacles).toEqual([]);
});

test("what the log has let go of comes from the master dataset, for a new view and for one that was folded too late", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-folded-"));
  await using duckdb = await Duckdb.open({
    ...{ memoryLimit: "500MB", threads: 1, temporaryFolder: join(folder, "spill") },
  });
  several = await SeveralWorkers.start(undefined, foldedAlone);
  try {
    const master = await MasterFolder.own(join(folder, "master"), [
      { name: visit.name, partitions: visit.partitions },
    ]);
    const archiver = new Archiver({ app: foldedAlone, log: several.log, master, duckdb });
    const [ids, events] = [await duckdb.connect(), await duckdb.connect()];
    several.archivedIds = (range) => archivedIds(ids, master, range);
    several.archivedEvents = (...range) => archivedEvents(events, master, ...range);
    const archiveAndTrim = async (next: number, before: number) => {
      await archiver.archive(cutAt([next, 0]));
      await several?.log.trim(visit.name, 0, offset(before));
    };
    // The last of what is gone comes once more.
    await several.append(0, [...made(0, 20), ...made(12, 3)]);
    await archiveAndTrim(23, 15);
    several.assign("a", [0, 1]);
    const tail = await several.serve();
    await several.caughtUp(tail, [folded]);
    await several.until(tail, () => tail.segments(folded, {}) !== undefined);
    expect(mergedRows(folded, tail.segments(folded, {}) ?? [])).toEqual(all(several.appended));

    await several.stop("a");
    await several.append(0, made(40, 10));
    await archiveAndTrim(33, 30);
    several.assign("b", [0, 1]);
    await several.append(0, made(60, 2));
    await several.until(
      tail,
      () => tail.segments(folded, {}) !== undefined && tail.position(folded)[visit.name]?.[0] === 35,
    );
    expect(mergedRows(folded, tail.segments(folded, {}) ?? [])).toEqual(all(several.appended));
  } finally {
    await several.end();
    several = undefined;
    await rm(folder, { recursive: true, force: true });
  }
});
