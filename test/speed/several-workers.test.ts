import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import type { ReplicatedTail } from "../../infra/tail/replicated-tail.ts";
import { decodeTailRecord, tailTopic } from "../../infra/tail/tail-record.ts";
import { offset } from "../../views/cut.ts";
import { cutAt, mergedRows, nextsOf, rowsByKey } from "./running.ts";
import { SeveralWorkers } from "./several-workers.ts";
import { expectedRows, longVisits, placesByHour, type Visit, visit, visits } from "./visits.ts";

let several: SeveralWorkers | undefined;

afterEach(async () => {
  await several?.end();
  several = undefined;
});

const made: fc.Arbitrary<Visit> = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Visit>("garbage") },
  {
    weight: 9,
    arbitrary: fc.record({
      id: fc.integer({ min: 0, max: 30 }).map(String),
      place: fc.constantFrom("ORD", "ä", "🛫", ""),
      time: fc.integer({ min: -7_200_000, max: 7_200_000 }),
      stay: fc.option(fc.integer({ min: -5, max: 9 }), { nil: undefined }),
    }),
  },
);

const worker = fc.constantFrom("a", "b", "c");
const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      partition: fc.constantFrom(0, 1),
      made: fc.array(made, { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    // The same partition may be assigned to several: to one that is stale, and to one that took over.
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("assign" as const),
      worker,
      partitions: fc.subarray([0, 1]),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("stop" as const), worker }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("seal" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("renew" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("point" as const),
      at: fc.tuple(fraction, fraction),
      isFirstView: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("serve" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

test("whoever folds which partition, one, several at once or none: every serving node's tail is the fold of exactly the records up to its position", {
  timeout: 240_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
      several = await SeveralWorkers.start();
      try {
        await run(several, steps);
      } finally {
        await several.end();
        several = undefined;
      }
    }),
    { numRuns: 60 },
  );
});

async function run(running: SeveralWorkers, steps: readonly Step[]): Promise<void> {
  const cuts = new Map(visits.views.map((view) => [view, [0, 0] as readonly number[]]));
  const first = await running.serve();
  for (const each of steps) {
    switch (each.kind) {
      case "append":
        await running.append(each.partition, each.made);
        break;
      case "assign":
        running.assign(each.worker, each.partitions);
        break;
      case "stop":
        await running.stop(each.worker);
        break;
      case "seal":
        await sealAndRead(running);
        break;
      case "renew":
        // Where nobody owns a partition it is renewed by who takes it over.
        await running.renew(60).catch(() => undefined);
        break;
      case "point": {
        const view = each.isFirstView ? placesByHour : longVisits;
        const at = running.nexts.map((next, p) => Math.round((each.at[p] ?? 0) * next));
        cuts.set(view, at);
        running.pointers.point(view, cutAt(at));
        // Some nodes ask for the new cut before any worker has aligned itself to it, and begin there.
        for (const tail of running.tails) tail.segments(view, cutAt(at));
        break;
      }
      case "serve":
        check(running, await running.serve());
        break;
    }
    for (const tail of running.tails) check(running, tail);
  }
  for (const name of ["a", "b"]) running.assign(name, []);
  running.assign("c", [0, 1]);
  await running.caughtUp(first);
  const last = await running.serve();
  await running.caughtUp(last);
  for (const [view, at] of cuts) {
    for (const tail of [first, last]) {
      await running.until(tail, () => tail.segments(view, cutAt(at)) !== undefined);
    }
  }
  for (const tail of [first, last]) check(running, tail, cuts);
  await sealAndRead(running);
}

/** From every boundary that there is, the segments are the fold of the records from there to the position. */
function check(
  running: SeveralWorkers,
  tail: ReplicatedTail,
  cuts: ReadonlyMap<(typeof visits.views)[number], readonly number[]> = new Map(),
): void {
  for (const view of visits.views) {
    const [zero, one] = tail.chainsOf(view).map((chain) => chain.segments.map(({ from }) => from));
    const wanted = cuts.get(view);
    const pairs = (zero ?? []).flatMap((a) => (one ?? []).map((b) => [a, b] as const));
    for (const from of wanted === undefined ? pairs : [...pairs, wanted]) {
      const segments = tail.segments(view, cutAt(from));
      if (segments === undefined) {
        expect(wanted === from).toBe(false);
        continue;
      }
      const expected = expectedRows(running.appended, from, nextsOf(tail.position(view)));
      expect(mergedRows(view, segments)).toEqual(view === placesByHour ? expected.places : expected.long);
    }
  }
}

/** Only where somebody owns every partition there is an answer; then what was sealed is the fold of the records before it. */
async function sealAndRead(running: SeveralWorkers): Promise<void> {
  const cut = await running.seal.seal(AbortSignal.timeout(150)).catch(() => undefined);
  if (cut === undefined) return;
  for (const view of visits.views) {
    const rows = running.seal.rows(view, {}, cut);
    if (rows === undefined) continue;
    const sorted = [...rows];
    const expected = expectedRows(running.appended, [0, 0], nextsOf(cut));
    expect(rowsByKey(view, sorted)).toEqual(view === placesByHour ? expected.places : expected.long);
    expect(sorted.length).toBe(Object.keys(rowsByKey(view, sorted)).length);
  }
}

test("a generation ahead of all that was folded is served though nobody folds, and a worker that comes back goes on from there", async () => {
  const visit: Visit = { id: "1", place: "ORD", time: 0, stay: 5 };
  several = await SeveralWorkers.start();
  several.assign("a", [0, 1]);
  await several.append(0, [visit, { ...visit, id: "2" }]);
  const tail = await several.serve();
  await several.caughtUp(tail);
  await several.stop("a");
  await several.append(0, [{ ...visit, id: "3" }]);
  await several.append(1, [visit]);

  expect(tail.segments(placesByHour, cutAt([1, 0]))).toBeUndefined();
  several.pointers.point(placesByHour, cutAt([3, 1]));
  expect(tail.segments(placesByHour, cutAt([3, 1]))?.map(({ size }) => size)).toEqual([0, 0]);
  expect(nextsOf(tail.position(placesByHour))).toEqual([3, 1]);

  several.assign("b", [0, 1]);
  await several.append(0, [{ ...visit, id: "4" }]);
  await several.caughtUp(tail);
  check(several, tail, new Map([[placesByHour, [3, 1]]]));
});

test("a cut in the midst of what a worker has not told yet is told with what it is hung on", async () => {
  // A snapshot would tell all of it again.
  several = await SeveralWorkers.start(Number.POSITIVE_INFINITY);
  several.assign("a", [0, 1]);
  const visitOf = (id: number): Visit => ({ id: `${id}`, place: "ORD", time: 0, stay: 5 });
  await several.append(0, [0, 1, 2, 3, 4, 5, 6, 7].map(visitOf));
  const tail = await several.serve();
  await several.caughtUp(tail);
  // What is told takes longer than to fold what lies between the cut and the position.
  several.appendMs = 300;
  await several.append(0, [visitOf(8)]);
  several.pointers.point(placesByHour, cutAt([5, 0]));
  await several.append(0, [visitOf(9)]);
  await several.until(tail, () => tail.segments(placesByHour, cutAt([5, 0])) !== undefined);
  await several.caughtUp(tail);
  check(several, tail, new Map([[placesByHour, [5, 0]]]));
}, 10_000);

test("after a renewal the tail topics tell what lies after the cuts alone, and serving nodes have lost nothing of it", async () => {
  several = await SeveralWorkers.start(Number.POSITIVE_INFINITY);
  const visitOf = (id: number, place: string): Visit => ({ id: `${id}`, place, time: 0, stay: 5 });
  await several.append(
    0,
    [0, 1, 2, 3].map((id) => visitOf(id, "Betelgeuse")),
  );
  const tail = await several.serve();
  await expect(several.renew(50)).rejects.toMatchObject({
    code: "TIDEMARK_NOT_READY",
    message: expect.stringContaining(`${visit.name}/0, ${visit.name}/1`),
  });
  several.assign("a", [0, 1]);
  await several.caughtUp(tail);
  await several.seal.seal();
  await several.append(
    0,
    [4, 5].map((id) => visitOf(id, "ORD")),
  );
  await several.caughtUp(tail);
  for (const view of visits.views) several.pointers.point(view, cutAt([4, 0]));
  // One node still serves from the beginning, one has gone over.
  const behind = await several.serve();
  await several.until(tail, () => tail.segments(placesByHour, cutAt([4, 0])) !== undefined);
  for (const view of visits.views) tail.release(view, cutAt([4, 0]));
  let renewals = 0;
  tail.onRenewed(() => renewals++);
  await several.renew(10_000);
  const topic = tailTopic(visit.name);
  const [starts, nexts] = [await several.log.starts(topic), await several.log.nexts(topic)];
  for (const [partition, start] of starts.entries()) {
    for await (const { records } of several.log.read(topic, partition, start, nexts[partition] ?? start)) {
      for (const { value } of records)
        expect(Buffer.from(value).toString("latin1")).not.toContain("Betelgeuse");
    }
  }
  const fresh = await several.serve();
  await several.append(0, [visitOf(6, "ORD")]);
  for (const each of [tail, behind, fresh]) {
    await several.caughtUp(each);
    check(several, each, new Map([[placesByHour, [4, 0]]]));
  }
  expect(renewals).toBeGreaterThan(0);
  expect(behind.segments(placesByHour, cutAt([0, 0]))).toBeDefined();
}, 10_000);

test("a worker that is behind tells its states twice a second, and all of them at once when it has caught up", async () => {
  // Without a snapshot nothing of it is trimmed.
  several = await SeveralWorkers.start(Number.POSITIVE_INFINITY);
  const many = Array.from({ length: 60_000 }, (_, i) => ({
    id: `${i}`,
    place: `${i % 300}`,
    time: 0,
    stay: 1,
  }));
  await several.append(0, many);
  const assignedAt = performance.now();
  several.assign("a", [0]);
  const tail = await several.serve();
  await several.until(tail, () => nextsOf(tail.position(placesByHour))[0] === many.length);
  const seconds = (performance.now() - assignedAt) / 1000;
  const topic = tailTopic(visit.name);
  const [start, next] = [(await several.log.starts(topic))[0], (await several.log.nexts(topic))[0]];
  let told = 0;
  for await (const { records } of several.log.read(topic, 0, start ?? offset(0), next ?? offset(0))) {
    for (const { value } of records) {
      const record = decodeTailRecord(value);
      if (record.kind === "segment" && record.view.name === placesByHour.name) told++;
    }
  }
  check(several, tail);
  expect(told).toBeLessThan(2 * seconds + 4);
});
