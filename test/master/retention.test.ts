import { stat } from "node:fs/promises";
import { listValue } from "@duckdb/node-api";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { thoroughPolicy } from "../../infra/master/compaction-plan.ts";
import type { MasterFolder } from "../../infra/master/folder.ts";
import { offset } from "../../views/cut.ts";
import { DuplicateWindow } from "../../views/duplicates.ts";
import type { OldFacts } from "../../views/subject.ts";
import { ArchiveHere, signal, wholePass } from "./archive-here.ts";
import { thing } from "./some-events.ts";

let here: ArchiveHere;

beforeEach(async () => {
  here = await ArchiveHere.open();
});

afterEach(() => here[Symbol.asyncDispose]());

const partition = 1;

/** An event of a day; duplicates may say another day than the first of their id. */
interface Sent {
  readonly id: string;
  readonly day: number;
}

const dayOf = (day: number) => `2026-01-${String(day).padStart(2, "0")}T00:00:00.000Z`;

function oldFacts(day: number, next: number): OldFacts {
  const bound = { [thing.name]: [0, next, 0].map(offset) };
  return { type: thing.name, before: dayOf(day), bound, askedAt: dayOf(30) };
}

async function store() {
  const { master, eraser, takeOut, ...things } = await here.things(4);
  const send = (events: readonly Sent[]) =>
    things.send(
      events.map(({ id, day }) => ({
        ...{ id, source: "s", time: dayOf(day), partition, data: { name: `of day ${day}`, whole: day } },
      })),
    );
  const compact = async (targetRecords = thoroughPolicy.targetRecords) => {
    const policy = { ...thoroughPolicy, targetRecords };
    await here.compactor(master, { policy }).pass(wholePass);
  };
  return { master, send, eraser, takeOut, compact };
}

const storedIn = (master: MasterFolder) =>
  here.select("CAST(_offset AS DOUBLE), _event_id, CAST(whole AS DOUBLE), _duplicate", master);

/** What the rules give of what was sent and has not left. */
function expected(all: readonly Sent[], hasLeft: (each: Sent, at: number) => boolean): readonly unknown[][] {
  const window = new DuplicateWindow(thing.duplicatesWithin);
  return all.flatMap((each, at) =>
    hasLeft(each, at) ? [] : [[at, each.id, each.day, window.note("s", each.id, offset(at))]],
  );
}

test("what is left after facts got too old, twice, is what the rules give of the others", async () => {
  const sent: fc.Arbitrary<Sent> = fc.record({
    id: fc.constantFrom("a", "b", "c", "d", "e", "f"),
    day: fc.integer({ min: 1, max: 12 }),
  });
  let [left, unmarked, whole] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.array(sent, { minLength: 20, maxLength: 40 }),
      fc.array(sent, { minLength: 1, maxLength: 15 }),
      fc.integer({ min: 4, max: 9 }),
      fc.constantFrom(1, 0.3),
      fc.boolean(),
      async (before, after, day, share, compacts) => {
        const { master, send, eraser, takeOut, compact } = await store();
        const inOrder = [...before].sort((a, b) => a.day - b.day);
        await send(inOrder);
        const bound = Math.round(share * before.length);
        const first = oldFacts(day, bound);
        const hasLeft = (each: Sent, at: number) => each.day < day && at < bound;
        const count = inOrder.filter(hasLeft).length;
        const [found] = await eraser.count([first], signal);
        expect(found?.records).toEqual(count === 0 ? {} : { [thing.name]: count });
        await takeOut(first);
        expect(await storedIn(master)).toEqual(expected(inOrder, hasLeft));
        const empty = (await master.files(thing.name)).filter(
          ({ from, next, erased }) => erased?.records === next - from,
        );
        whole += empty.length;
        // What comes late is counted until it leaves, too.
        await send(after);
        const all = [...inOrder, ...after];
        expect(await storedIn(master)).toEqual(expected(all, hasLeft));
        if (compacts) await compact();
        await takeOut(oldFacts(day + 2, all.length), oldFacts(day, all.length));
        await eraser.removeFormer(signal);
        const rest = expected(all, (each) => each.day < day + 2);
        expect(await storedIn(master)).toEqual(rest);
        const files = await master.files(thing.name);
        expect(files.reduce((sum, { erased }) => sum + (erased?.records ?? 0), 0)).toBe(
          all.length - rest.length,
        );
        expect(await eraser.count([oldFacts(day + 2, all.length)], signal)).toEqual([
          { records: {}, files: 0 },
        ]);
        left += all.length - rest.length;
        const marks = expected(all, () => false);
        const now = new Map(rest.map((row) => [row[0], row[3]]));
        unmarked += marks.filter(([at, , , was]) => was === true && now.get(at) === false).length;
      },
    ),
    { numRuns: 6 },
  );
  expect([left, unmarked, whole].map((n) => n > 0)).toEqual([true, true, true]);
}, 60_000);

test("files without old facts stay as they are, those of nothing else are empty, and many empty ones become one", async () => {
  const { master, send, eraser, takeOut, compact } = await store();
  const piece = (day: number, n: number): Sent[] =>
    Array.from({ length: 4 }, (_, i) => ({ id: `${n}-${i}`, day }));
  await send([1, 1, 1, 1, 3, 3].flatMap(piece));
  const before = await master.files(thing.name);
  const rowsOf = async (paths: readonly string[]) => {
    const read = await here.connection.runAndReadAll(
      "SELECT CAST(num_rows AS DOUBLE) FROM parquet_file_metadata($1)",
      [listValue(paths)],
    );
    return read.getRows().flat();
  };
  expect(before).toHaveLength(6);
  const untouched = await Promise.all(before.slice(4).map(({ path }) => stat(path)));
  // What came after it was asked for stays.
  await takeOut(oldFacts(2, 6));
  expect(await rowsOf((await master.files(thing.name)).map(({ path }) => path))).toEqual([0, 2, 4, 4, 4, 4]);
  await takeOut(oldFacts(2, 24));
  await eraser.removeFormer(signal);
  const files = await master.files(thing.name);
  expect(await rowsOf(files.map(({ path }) => path))).toEqual([0, 0, 0, 0, 4, 4]);
  expect(files.slice(4)).toEqual(before.slice(4));
  const now = await Promise.all(files.slice(4).map(({ path }) => stat(path)));
  expect(now.map(({ mtimeMs, ino }) => [mtimeMs, ino])).toEqual(
    untouched.map(({ mtimeMs, ino }) => [mtimeMs, ino]),
  );
  // No more records than are left.
  await compact(8);
  const compacted = await master.files(thing.name);
  expect(compacted.map(({ from, next, erased }) => [from, next, erased?.records])).toEqual([[0, 24, 16]]);
  expect((await storedIn(master)).length).toBe(8);
});
