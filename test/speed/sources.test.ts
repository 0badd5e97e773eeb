import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { TailCheckpoint } from "../../infra/tail/checkpoint.ts";
import { SealedTailReader } from "../../infra/tail/sealed-tail.ts";
import { type SpeedLayer, startSpeedLayer } from "../../speed-layer/main.ts";
import { type Cut, cutsEqual, offset } from "../../views/cut.ts";
import { count, defineApp, defineEvent, defineView, source, sum, Type } from "../../views/index.ts";
import { Random } from "../fault/random.ts";
import { mergedRows, Pointers, rowsByKey } from "./running.ts";

const schema = Type.Object({ who: Type.String(), n: Type.Integer() });
const came = defineEvent({ name: "speed.guest.came", schema, partitions: 2 });
const paid = defineEvent({ name: "speed.bill.paid", schema, partitions: 1 });

const guests = defineView({
  name: "guests",
  from: [
    source(came, { by: (f) => ({ who: f.who }), measures: (f) => ({ visits: count(), total: sum(f.n) }) }),
    source(paid, { by: (f) => ({ who: f.who }), measures: (f) => ({ bills: count(), total: sum(f.n) }) }),
  ],
});
/** Of one of the topics alone: its chains are others. */
const bills = defineView({ name: "bills", from: paid, by: () => ({}), measures: () => ({ bills: count() }) });
const app = defineApp({ name: "inn", views: [guests, bills] });

const lanes = [
  { topic: paid.name, partition: 0 },
  { topic: came.name, partition: 0 },
  { topic: came.name, partition: 1 },
] as const;

interface Made {
  readonly who: string;
  readonly n: number;
}

let folder: string;
let log: LmdbLog;
let checkpoint: TailCheckpoint;
let speed: SpeedLayer;
let pointers: Pointers;
/** By lane. */
let appended: Made[][];
const random = new Random(11);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-speed-sources-"));
  const topics = [came, paid].map(({ name, partitions }) => ({ name, partitions }));
  log = await LmdbLog.open({ path: join(folder, "log"), topics, mode: "writer" });
  pointers = new Pointers();
  appended = lanes.map(() => []);
  await start();
});
afterEach(async () => {
  await stop();
  await log[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<void> {
  checkpoint = await TailCheckpoint.open({ path: join(folder, "checkpoint"), app });
  speed = await startSpeedLayer({
    ...{ app, log, checkpoint, generations: pointers, limits: { entries: 1_000_000 } },
    timers: { setTimeout, clearTimeout },
    now: () => performance.now(),
    onTailNearBound: () => {},
    onUnaligned: (_view, error) => {
      throw error;
    },
  });
}

async function stop(): Promise<void> {
  await speed[Symbol.asyncDispose]();
  await checkpoint[Symbol.asyncDispose]();
}

async function append(lane: number, records: number): Promise<void> {
  const { topic = "", partition = 0 } = lanes[lane] ?? {};
  const made = Array.from({ length: records }, () => ({
    who: `g${random.whole(0, 4)}`,
    n: random.whole(0, 100),
  }));
  await log.append(
    made.map((data) => {
      const id = `${appended[lane]?.push(data)}`;
      const envelope = { id, source: "inn", type: topic, time: "2024-05-01T00:00:00Z", data };
      return { topic, partition, key: null, value: Buffer.from(JSON.stringify(envelope)) };
    }),
  );
}

const cutAt = (nexts: readonly number[]): Cut => ({
  [came.name]: nexts.slice(1).map(offset),
  [paid.name]: nexts.slice(0, 1).map(offset),
});

async function until(isSo: () => boolean): Promise<void> {
  if (isSo()) return;
  await new Promise<void>((resolve) => {
    const listening = speed.tail.onAdvance(() => {
      if (!isSo()) return;
      listening[Symbol.dispose]();
      resolve();
    });
  });
}

const ends = () => appended.map(({ length }) => length);
const isCaughtUp = () => cutsEqual(speed.tail.position(guests), cutAt(ends()));

/** By key: visits, total, bills. */
function expected(from: readonly number[], to: readonly number[]): Readonly<Record<string, number[]>> {
  const rows: Record<string, number[]> = {};
  for (const [lane, records] of appended.entries()) {
    for (const { who, n } of records.slice(from[lane], to[lane])) {
      const key = JSON.stringify([[who], 0]);
      const row = rows[key] ?? [0, 0, 0];
      row[lane === 0 ? 2 : 0] = (row[lane === 0 ? 2 : 0] ?? 0) + 1;
      row[1] = (row[1] ?? 0) + n;
      rows[key] = row;
    }
  }
  return rows;
}

function rowsSince(cut: readonly number[]) {
  const segments = speed.tail.segments(guests, cutAt(cut));
  if (segments === undefined) throw new Error(`there is no boundary at ${cut}`);
  return mergedRows(guests, segments);
}

test("from a generation's cut in any of its topics to the position, the tail of a view is the fold of exactly those records", async () => {
  for (let round = 0; round < 12; round++) {
    for (const lane of lanes.keys()) await append(lane, random.whole(0, 30));
    if (round % 4 === 3) {
      await stop();
      await start();
    }
    await until(isCaughtUp);
    // Nowhere behind the cut before, in one topic perhaps at the same place.
    const before = (await pointers.current(guests))?.cut ?? {};
    const cut = ends().map((end, lane) => {
      const { topic = "", partition = 0 } = lanes[lane] ?? {};
      const at = before[topic]?.[partition] ?? 0;
      return random.chance(0.3) ? at : random.whole(at, end + 1);
    });
    pointers.point(guests, cutAt(cut));
    await until(() => speed.tail.segments(guests, cutAt(cut)) !== undefined);
    expect(rowsSince(cut)).toEqual(expected(cut, ends()));
    if (random.chance(0.5)) speed.tail.release(guests, cutAt(cut));
  }
});

test("another process reads what was sealed of both topics, between any two seals", async () => {
  await using reader = new SealedTailReader({ path: join(folder, "checkpoint"), app });
  const seals: (readonly number[])[] = [[0, 0, 0]];
  for (let round = 0; round < 3; round++) {
    await append(round, 20);
    await append(0, 5);
    await until(isCaughtUp);
    expect(await speed.seal()).toEqual(cutAt(ends()));
    seals.push(ends());
  }
  for (const [i, from] of seals.entries()) {
    for (const to of seals.slice(i)) {
      const rows = reader.rows(guests, cutAt(from), cutAt(to));
      expect(rowsByKey(guests, rows ?? [])).toEqual(expected(from, to));
    }
  }
  const within = [...(seals[2] ?? [])].map((next, lane) => (lane === 0 ? next - 1 : next));
  expect(reader.rows(guests, cutAt([0, 0, 0]), cutAt(within))).toBeUndefined();
});
