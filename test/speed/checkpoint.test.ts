import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { Chain } from "../../infra/tail/chain.ts";
import { TailCheckpoint } from "../../infra/tail/checkpoint.ts";
import { SealedTailReader } from "../../infra/tail/sealed-tail.ts";
import { compileFold } from "../../speed-layer/fold.ts";
import type { Cut, Offset } from "../../views/cut.ts";
import { count, defineApp, defineView, sum, tumbling } from "../../views/index.ts";
import { compareKeys, storageKey } from "../../views/key.ts";
import { cutAt, mergedRows, nextsOf, Running, rowsByKey } from "./running.ts";
import { expectedRows, longVisits, placesByHour, type Visit, visit, visits } from "./visits.ts";

const folders: string[] = [];
let running: Running | undefined;

afterEach(async () => {
  await running?.end();
  running = undefined;
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-checkpoint-"));
  folders.push(folder);
  return folder;
}

function made(from: number, length: number): Visit[] {
  return Array.from({ length }, (_, i) => ({
    id: String(from + i),
    place: `${(from + i) % 7}`,
    time: ((from + i) % 5) * 3_600_000 - 7_200_000,
    stay: 9007199254740991 - i,
  }));
}

test("after a restart the states and the position are as they were, integers beyond 2^53 included", async () => {
  running = await Running.start();
  await running.append(0, made(0, 40));
  await running.append(1, made(100, 3));
  await running.caughtUp();
  const before = mergedRows(placesByHour, running.tail.segments(placesByHour, {}) ?? []);
  const position = running.tail.position(placesByHour);
  expect(
    Object.values(before)
      .flat()
      .some((cell) => typeof cell === "bigint"),
  ).toBe(true);
  await running.stopSpeed();
  await running.startSpeed();
  expect(running.tail.position(placesByHour)).toEqual(position);
  expect(mergedRows(placesByHour, running.tail.segments(placesByHour, {}) ?? [])).toEqual(before);
});

test("a view that means something else by now starts from the log's beginning; the others go on", async () => {
  running = await Running.start();
  await running.append(0, made(0, 20));
  await running.caughtUp();
  await running.stopSpeed();
  const other = defineView({
    name: placesByHour.name,
    from: visit,
    by: (f) => ({ place: f.place, hour: tumbling("1h") }),
    measures: () => ({ visits: count() }),
  });
  const [, long = placesByHour] = visits.views;
  const app = defineApp({ name: "visits", views: [other, long] });
  await running.startSpeed({ app });
  expect(running.tail.position(long)).toEqual(cutAt([20, 0]));
  await running.caughtUp([other]);
  const counts = Object.values(mergedRows(other, running.tail.segments(other, {}) ?? []));
  expect(counts.reduce((sum, [n]) => sum + Number(n), 0)).toBe(20);
  expect(counts.every((cells) => cells.length === 1)).toBe(true);
  expect(mergedRows(long, running.tail.segments(long, {}) ?? [])).toEqual(
    expectedRows(running.appended, [0, 0], [20, 0]).long,
  );
});

test("a log that is behind the checkpoint is refused", async () => {
  running = await Running.start();
  await running.append(0, made(0, 5));
  await running.caughtUp();
  await running.stopSpeed();
  const other = await Running.start();
  try {
    await other.stopSpeed();
    const { checkpointPath } = running;
    // One view that begins, and so may; it is the other's position that is not of this log.
    const app = defineApp({ name: "visits", views: [placesByHour, sameButNew] });
    await expect(other.startSpeed({ checkpointPath, app })).rejects.toMatchObject({
      code: "TIDEMARK_STORE_OUT_OF_RANGE",
    });
  } finally {
    await other.end();
  }
});

const sameButNew = defineView({
  name: "same-but-new",
  from: visit,
  by: (f) => ({ place: f.place }),
  measures: () => ({ visits: count() }),
});

test("another process reads what was sealed, one merged row per key, in order of key and pane", async () => {
  running = await Running.start();
  await running.append(0, made(0, 30));
  await running.append(1, made(50, 30));
  await running.caughtUp();
  const first = await running.speed.seal();
  await running.append(0, made(100, 30));
  await running.caughtUp();
  const second = await running.speed.seal();
  const ranges: readonly (readonly [Cut, Cut])[] = [
    [{}, first],
    [first, second],
    [{}, second],
  ];
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--import",
    "tsx/esm",
    new URL("./sealed-tail-child.ts", import.meta.url).pathname,
    running.checkpointPath,
    JSON.stringify(ranges),
  ]);
  const printed: { dimensions: string[]; pane: number; cells: string[] }[][] = JSON.parse(stdout);
  for (const [i, [from, to]] of ranges.entries()) {
    const rows = printed[i] ?? [];
    const expected = expectedRows(running.appended, nextsOf(from), nextsOf(to)).places;
    const asText = Object.entries(expected).map(([key, cells]) => [key, cells.map(String)]);
    const actual = rows.map(({ dimensions, pane, cells }) => [JSON.stringify([dimensions, pane]), cells]);
    expect(Object.fromEntries(actual)).toEqual(Object.fromEntries(asText));
    expect(actual).toHaveLength(asText.length);
    const isSorted = rows.every((row, i) => {
      const previous = rows[i - 1];
      if (previous === undefined) return true;
      const order = compareKeys(storageKey(previous.dimensions), storageKey(row.dimensions));
      return order < 0 || (order === 0 && previous.pane < row.pane);
    });
    expect(isSorted).toBe(true);
  }
});

test("one view's sealed rows can be read while another's are", async () => {
  running = await Running.start();
  await running.append(0, made(0, 60));
  await running.caughtUp();
  const cut = await running.speed.seal();
  const expected = expectedRows(running.appended, [0, 0], [60, 0]);
  const reader = running.sealedTail();
  const places = [];
  for (const row of reader.rows(placesByHour, {}, cut) ?? []) {
    places.push(row);
    const long = [...(reader.rows(longVisits, {}, cut) ?? [])];
    expect(rowsByKey(longVisits, long)).toEqual(expected.long);
  }
  expect(rowsByKey(placesByHour, places)).toEqual(expected.places);
  await reader[Symbol.asyncDispose]();
});

test("there is no sealed tail where no boundary lies, nor before there is a checkpoint", async () => {
  const folder = await emptyFolder();
  const early = new SealedTailReader({ path: join(folder, "none"), app: visits });
  expect(early.rows(placesByHour, {}, {})).toBeUndefined();
  await early[Symbol.asyncDispose]();
  running = await Running.start();
  await running.append(0, made(0, 30));
  await running.caughtUp();
  await running.speed.seal();
  const reader = running.sealedTail();
  expect(reader.rows(placesByHour, {}, cutAt([30, 0]))).toBeDefined();
  expect(reader.rows(placesByHour, {}, cutAt([29, 0]))).toBeUndefined();
  expect(reader.rows(placesByHour, {}, cutAt([31, 0]))).toBeUndefined();
  expect(reader.rows(placesByHour, cutAt([1, 0]), cutAt([30, 0]))).toBeUndefined();
  expect([...(reader.rows(placesByHour, cutAt([30, 0]), cutAt([30, 0])) ?? [])]).toEqual([]);
  running.pointers.point(placesByHour, cutAt([30, 0]));
  running.tail.release(placesByHour, cutAt([30, 0]));
  await running.append(0, made(200, 5));
  await running.caughtUp();
  await running.speed.seal();
  expect(reader.rows(placesByHour, cutAt([30, 0]), cutAt([35, 0]))).toBeDefined();
  expect(reader.rows(placesByHour, {}, cutAt([35, 0]))).toBeUndefined();
  await reader[Symbol.asyncDispose]();
});

test("rows that are being read stay as they are while their segment is dropped and its slot used again", async () => {
  running = await Running.start();
  await running.append(0, made(0, 60));
  await running.caughtUp();
  const cut = await running.speed.seal();
  const expected = expectedRows(running.appended, [0, 0], [60, 0]).places;
  const reader = running.sealedTail();
  const other = running.sealedTail();
  const rows = reader.rows(placesByHour, {}, cut)?.[Symbol.iterator]();
  const late = reader.rows(placesByHour, {}, cut);
  const read = [rows?.next().value ?? []].flat();
  running.tail.release(placesByHour, cut);
  for (let round = 0; round < 3; round++) {
    await running.append(0, made(1000 * (round + 1), 20));
    await running.caughtUp();
    await running.speed.seal();
    other.rows(placesByHour, cut, cutAt(running.nexts));
    reader.rows(placesByHour, cut, cutAt(running.nexts));
  }
  for (let next = rows?.next(); next?.done === false; next = rows?.next()) read.push(next.value);
  expect(rowsByKey(placesByHour, read)).toEqual(expected);
  // What nobody had begun to read by then is gone, and says so.
  expect(() => [...(late ?? [])]).toThrow(expect.objectContaining({ code: "TIDEMARK_STORE_GAP" }));
  await reader[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

test.for(["write", "writeAtLeisure"] as const)(
  "a checkpoint is of one moment of each chain, even if records are folded while it is written: %s",
  async (write) => {
    const path = await emptyFolder();
    const view = defineView({
      name: "many",
      from: visit,
      by: (f) => ({ place: f.place }),
      measures: (f) => ({ visits: count(), stay: sum(f.stay) }),
    });
    const app = defineApp({ name: "many", views: [view] });
    const fold = compileFold(view);
    const events = Array.from({ length: 20_000 }, (_, i) => ({
      id: String(i),
      source: "test",
      type: visit.name,
      time: 0,
      key: "k",
      data: { place: String(i), stay: 1 },
    }));
    const chain = new Chain(view, 0, 0 as Offset);
    const checkpoint = await TailCheckpoint.open({ path, app });
    await checkpoint.load();
    let next = 0;
    const foldAll = () => {
      fold(chain.open, events, 0);
      next += events.length;
      chain.advance(next as Offset);
    };
    foldAll();
    let isWritten = false;
    const written = checkpoint[write]([chain]).then(() => {
      isWritten = true;
    });
    while (!isWritten) {
      foldAll();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await written;
    await checkpoint[Symbol.asyncDispose]();
    const again = await TailCheckpoint.open({ path, app });
    const [segment] = await again.load();
    await again[Symbol.asyncDispose]();
    const rounds = (segment?.next ?? 0) / events.length;
    expect(rounds).toBeGreaterThanOrEqual(1);
    expect(next / events.length).toBeGreaterThan(rounds);
    expect(segment?.size).toBe(events.length);
    for (const { cells } of segment?.entries() ?? []) expect(cells).toEqual([rounds, rounds]);
  },
);
