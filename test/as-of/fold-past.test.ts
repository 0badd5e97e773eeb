import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { emptySegments, foldMessage, foldPast, takeRows } from "../../cli/past-folds.ts";
import { Duckdb } from "../../infra/duckdb.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { thoroughPolicy } from "../../infra/master/compaction-plan.ts";
import { Compactor } from "../../infra/master/compactor.ts";
import { MasterFolder } from "../../infra/master/folder.ts";
import { TailSegment } from "../../infra/tail/segment.ts";
import { encodeRow } from "../../infra/tail/tail-record.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { replayView } from "../../speed-layer/replay.ts";
import { type Cut, offset } from "../../views/cut.ts";
import type { View } from "../../views/view.ts";
import { Random } from "../fault/random.ts";
import { app, append, recordsOf, topics } from "./past-app.ts";

const lifecycle = new Lifecycle();
const signal = new AbortController().signal;
const random = new Random(11);

/** It has let go of what is archived; the other one has kept all. */
let log: LmdbLog;
let whole: LmdbLog;
let master: MasterFolder;
let duckdb: Duckdb;

const openLog = async (folder: string, name: string) =>
  lifecycle.use(await LmdbLog.open({ path: join(folder, name), topics, mode: "writer" }));

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-fold-past-"));
  lifecycle.defer(() => rm(folder, { recursive: true, force: true }));
  log = await openLog(folder, "log");
  whole = await openLog(folder, "whole");
  master = await MasterFolder.own(join(folder, "master"), topics);
  duckdb = lifecycle.use(
    await Duckdb.open({ memoryLimit: "500MB", threads: 1, temporaryFolder: join(folder, "spill") }),
  );
  const archiver = new Archiver({
    ...{ app, log, master, duckdb, recordsPerFile: 30 },
    onInvalid: () => undefined,
  });
  const compactor = new Compactor({
    ...{ events: app.events, master, duckdb, timers: globalThis, policy: thoroughPolicy, graceMs: 0 },
    now: () => 0,
  });
  for (const [i, records] of [recordsOf(1, 900), recordsOf(2, 600), recordsOf(3, 400)].entries()) {
    await append(log, records);
    await append(whole, records);
    if (i === 2) break;
    await archiver.archive(await archiver.logEnd());
    if (i === 0) await compactor.pass({ mostRecords: Number.POSITIVE_INFINITY, signal });
  }
  const archived = await master.cut();
  for (const { name, partitions } of topics) {
    // Some partitions have let go of nothing, some of all that is archived.
    for (let p = 0; p < partitions; p++) {
      await log.trim(name, p, offset(random.whole(0, 3) * Math.floor((archived[name]?.[p] ?? 0) / 2)));
    }
  }
});

afterAll(() => lifecycle[Symbol.asyncDispose]());

async function cutWithin(most: Cut): Promise<Cut> {
  return Object.fromEntries(
    Object.entries(most).map(([name, nexts]) => [
      name,
      nexts.map((next) => offset(random.whole(0, next + 1))),
    ]),
  );
}

async function endOf(): Promise<Cut> {
  return Object.fromEntries(
    await Promise.all(topics.map(async ({ name }) => [name, await whole.nexts(name)] as const)),
  );
}

/** From the first record on, out of a log that keeps all. */
async function fromScratch(view: View, next: Cut): Promise<readonly TailSegment[]> {
  const { segments } = await replayView({
    ...{ view, from: {}, next, log: whole, archived: "let-go", signal, progress: () => undefined },
    maxEntries: Number.POSITIVE_INFINITY,
    archivedEvents: () => expect.fail("the log has all of them"),
  });
  return segments;
}

/** As the process that serves has it of the process that folds. */
async function folded(
  view: View,
  from: Cut,
  next: Cut,
  maxEntries = 100_000,
): Promise<readonly TailSegment[]> {
  const range = { view, from, next, maxEntries };
  const segments = emptySegments(range);
  const message = JSON.parse(JSON.stringify(foldMessage(range)));
  await foldPast({ app, log, master, duckdb }, message, (piece) => takeRows(segments, piece), signal);
  return segments;
}

function statesOf(...segments: readonly TailSegment[]) {
  const [first] = segments;
  if (first === undefined) return [];
  const merged = new TailSegment(first.view, first.partition, offset(0));
  for (const segment of segments) for (const entry of segment.entries()) merged.mergeRow(entry);
  return merged.sortedRows().map(encodeRow);
}

test("the log has let go of records that only the files have", async () => {
  const starts = await Promise.all(topics.map(({ name }) => log.starts(name)));
  expect(starts.flat().filter((start) => start > 0).length).toBeGreaterThan(1);
});

test("what is folded between two cuts is what a fold from the first record on adds there, wherever records are by now", async () => {
  const end = await endOf();
  let states = 0;
  for (let i = 0; i < 50; i++) {
    const next = await cutWithin(end);
    const from = await cutWithin(next);
    for (const view of app.views) {
      const [before, all] = [await fromScratch(view, from), await fromScratch(view, next)];
      for (const [number, segment] of (await folded(view, from, next)).entries()) {
        const right = statesOf(...all.slice(number, number + 1));
        expect(statesOf(...before.slice(number, number + 1), segment), `${view.name}, cut ${i}`).toEqual(
          right,
        );
        expect([segment.from, segment.next]).toEqual([before[number]?.next, all[number]?.next]);
        states += right.length;
      }
    }
  }
  expect(states).toBeGreaterThan(10_000);
});

test("records that make more entries than may be are refused", async () => {
  const [, , view] = app.views;
  await expect(folded(view as View, {}, await endOf(), 5)).rejects.toMatchObject({
    code: "TIDEMARK_TAIL_FULL",
  });
});
