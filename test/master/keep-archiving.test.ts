import { afterEach, beforeEach, expect, test } from "vitest";
import type { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { Archiver } from "../../ingestion/archive.ts";
import { type KeepArchivingOptions, keepArchiving } from "../../ingestion/keep-archiving.ts";
import { ArchiveHere } from "./archive-here.ts";
import { app, appendOf, plainThing } from "./some-events.ts";

let here: ArchiveHere;
let log: LmdbLog;
let archiver: Archiver;

beforeEach(async () => {
  here = await ArchiveHere.open();
  log = await here.log();
  archiver = new Archiver({ app, log, master: await here.master(), duckdb: here.duckdb });
});

afterEach(() => here[Symbol.asyncDispose]());

/** Timers that fire when told to; `look` waits until what fired has come to its end, which sets the next timer. */
function handTimers() {
  const due: (() => void)[] = [];
  let set: () => void = () => undefined;
  return {
    timers: {
      setTimeout: ((run: () => void) => {
        due.push(run);
        set();
      }) as unknown as typeof setTimeout,
      clearTimeout: () => void due.splice(0),
    },
    due,
    async look(): Promise<void> {
      const next = new Promise<void>((resolve) => {
        set = resolve;
      });
      due.shift()?.();
      await next;
    },
  };
}

async function append(count: number): Promise<void> {
  await log.append(Array.from({ length: count }, (_, n) => appendOf(plainThing(n))));
}

test("it archives when the time is up, or at once when enough is pending", async () => {
  const { timers, due, look } = handTimers();
  const options = { archiver, timers, everyMs: 3_000, recordsThreshold: 100, lookMs: 1_000 };
  const failures: unknown[] = [];
  const keeping = keepArchiving({ ...options, failed: (error) => void failures.push(error) });
  await append(10);
  const pending: number[] = [];
  for (let second = 0; second < 3; second++) {
    await look();
    pending.push(await archiver.pending());
  }
  expect(pending).toEqual([10, 10, 0]);
  await append(99);
  await look();
  expect(await archiver.pending()).toBe(99);
  await append(1);
  await look();
  expect(await archiver.pending()).toBe(0);
  await keeping[Symbol.asyncDispose]();
  expect(due).toEqual([]);
  expect(failures).toEqual([]);
});

test("each time after archiving it tidies, also where nothing came", async () => {
  const { timers, look } = handTimers();
  const pending: number[] = [];
  const keeping = keepArchiving({
    ...{ archiver, timers, everyMs: 2_000, lookMs: 1_000 },
    tidy: async () => pending.push(await archiver.pending()),
    failed: (error) => expect.fail(String(error)),
  });
  await append(10);
  for (let second = 0; second < 4; second++) await look();
  expect(pending).toEqual([0, 0]);
  await keeping[Symbol.asyncDispose]();
});

test("a failure is told, nothing is lost, and it goes on", async () => {
  const { timers, look } = handTimers();
  const failures: unknown[] = [];
  await log.append([{ topic: "test.thing.seen", partition: 0, key: null, value: Buffer.from("no JSON") }]);
  const keeping = keepArchiving({
    archiver,
    timers,
    everyMs: 1_000,
    failed: (error) => void failures.push(error),
  });
  await look();
  await look();
  expect(failures).toMatchObject([{ code: "TIDEMARK_EVENT_NOT_JSON" }, { code: "TIDEMARK_EVENT_NOT_JSON" }]);
  expect(await archiver.pending()).toBe(1);
  await keeping[Symbol.asyncDispose]();
});

test("its end stops an archive in hand and waits for it", async () => {
  const { timers, due } = handTimers();
  let isUnderWay = false;
  const watched: KeepArchivingOptions["archiver"] = {
    pending: () => archiver.pending(),
    logEnd: () => archiver.logEnd(),
    archive(until, options) {
      isUnderWay = true;
      return archiver.archive(until, options).finally(() => {
        isUnderWay = false;
      });
    },
  };
  const failed = (error: unknown) => expect.fail(String(error));
  const keeping = keepArchiving({ archiver: watched, timers, everyMs: 1_000, failed });
  await append(20_000);
  due.shift()?.();
  await expect.poll(() => isUnderWay, { interval: 1 }).toBe(true);
  await keeping[Symbol.asyncDispose]();
  expect(isUnderWay).toBe(false);
  expect(due).toEqual([]);
  expect(await archiver.pending()).toBe(20_000);
});
