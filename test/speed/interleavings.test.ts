import fc from "fast-check";
import { expect, test } from "vitest";
import { cutsEqual, offsetAt } from "../../views/cut.ts";
import { cutAt, mergedRows, nextsOf, Running, rowsByKey } from "./running.ts";
import { expectedRows, longVisits, placesByHour, type Visit, visit, visits } from "./visits.ts";

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

type Step =
  | {
      readonly kind: "append";
      readonly partition: number;
      readonly made: readonly Visit[];
      readonly awaits: boolean;
    }
  | { readonly kind: "seal" }
  | { readonly kind: "point"; readonly at: readonly [number, number]; readonly isFirstView: boolean }
  | { readonly kind: "release" }
  | { readonly kind: "stop" }
  | { readonly kind: "restart" }
  | { readonly kind: "crash" };

const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      partition: fc.constantFrom(0, 1),
      made: fc.array(made, { minLength: 1, maxLength: 12 }),
      awaits: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("seal" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("point" as const),
      at: fc.tuple(fraction, fraction),
      isFirstView: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("stop" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const) }) },
);

test.each([
  ["where it is folded", false],
  ["where it is told of", true],
])(
  "whatever is appended, sealed, pointed to, released, restarted or lost: the segments from a generation's cut to the position are the fold of exactly those records: %s",
  {
    timeout: 120_000,
  },
  async (_where, isMirrored) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 30 }), async (steps) => {
        const running = await Running.start({ isMirrored });
        try {
          await run(running, steps);
        } finally {
          await running.end();
        }
      }),
      { numRuns: 50 },
    );
  },
);

async function run(running: Running, steps: readonly Step[]): Promise<void> {
  const cuts = new Map(visits.views.map((view) => [view, [0, 0] as readonly number[]]));
  let hasKept = false;
  let isStopped = false;
  const start = async () => {
    await running.startSpeed();
    isStopped = false;
  };
  for (const each of steps) {
    if (isStopped && each.kind !== "append" && each.kind !== "point") await start();
    switch (each.kind) {
      case "append":
        await running.append(each.partition, each.made);
        if (each.awaits && !isStopped) await running.caughtUp();
        break;
      case "seal":
        await sealAndRead(running);
        break;
      case "point": {
        const view = each.isFirstView ? placesByHour : longVisits;
        const at = running.nexts.map((next, p) => Math.round((each.at[p] ?? 0) * next));
        cuts.set(view, at);
        running.pointers.point(view, cutAt(at));
        break;
      }
      case "release":
        await aligned(running, cuts);
        for (const [view, at] of cuts) running.tail.release(view, cutAt(at));
        break;
      case "stop":
        await running.stopSpeed();
        isStopped = true;
        break;
      case "restart":
        await running.stopSpeed();
        await running.keepCheckpoint();
        hasKept = true;
        await start();
        break;
      case "crash":
        await running.stopSpeed();
        if (hasKept) await running.returnToKeptCheckpoint();
        await start();
        break;
    }
    if (!isStopped) check(running, cuts);
  }
  if (isStopped) await start();
  await running.caughtUp();
  await aligned(running, cuts);
  check(running, cuts);
}

/** Resolves once every view's tail begins at its generation's cut. */
async function aligned(
  running: Running,
  cuts: ReadonlyMap<(typeof visits.views)[number], readonly number[]>,
) {
  const wanted = [...cuts].map(([view, at]) => ({ view, cut: cutAt(at) }));
  await running.until(() => wanted.every(({ view, cut }) => running.tail.segments(view, cut) !== undefined));
}

/** Where a view's tail can be read, it is right for the position that it gives, and its segments abut. */
function check(running: Running, cuts: ReadonlyMap<(typeof visits.views)[number], readonly number[]>): void {
  for (const [view, from] of cuts) {
    const segments = running.tail.segments(view, cutAt(from));
    if (segments === undefined) continue;
    const to = nextsOf(running.tail.position(view));
    const expected = expectedRows(running.appended, from, to);
    expect(mergedRows(view, segments)).toEqual(view === placesByHour ? expected.places : expected.long);
    for (let partition = 0; partition < visit.partitions; partition++) {
      let at = from[partition];
      for (const segment of segments.filter((one) => one.partition === partition)) {
        expect(segment.from).toBe(at);
        at = segment.next;
      }
      expect(at).toBe(to[partition]);
    }
  }
}

/** What was sealed can be read in the checkpoint: from the start of the first segment, if all are there. */
async function sealAndRead(running: Running): Promise<void> {
  const { tail } = running.speed;
  const positions = visits.views.map((view) => nextsOf(tail.position(view)));
  const cut = await running.speed.seal();
  const reader = running.sealedTail();
  try {
    visits.views.forEach((view, i) => {
      const to = nextsOf(cut);
      expect(to.every((next, p) => next <= (positions[i]?.[p] ?? -1))).toBe(true);
      const rows = reader.rows(view, {}, cut);
      const isWhole = tail.segments(view, {}) !== undefined;
      if (isWhole && visits.views.every((other) => cutsEqual(tail.position(other), cut))) {
        expect(rows).toBeDefined();
      }
      if (rows === undefined) return;
      const sorted = [...rows];
      const expected = expectedRows(running.appended, [0, 0], to);
      expect(rowsByKey(view, sorted)).toEqual(view === placesByHour ? expected.places : expected.long);
      expect(sorted.length).toBe(Object.keys(rowsByKey(view, sorted)).length);
    });
    expect(offsetAt(cut, visit.name, 0)).toBeLessThanOrEqual(running.nexts[0] ?? 0);
  } finally {
    await reader[Symbol.asyncDispose]();
  }
}
