import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readChange, type ToldChange } from "../../infra/changes/change-record.ts";
import type { Manifest } from "../../infra/generations/generations.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Append, Consumer, Log } from "../../infra/log/log.ts";
import { type Clock, systemClock } from "../../serving-layer/clock.ts";
import { offset } from "../../views/cut.ts";
import { count, defineView, sum, tumbling } from "../../views/index.ts";
import { partitionOf } from "../../views/partition.ts";
import type { StateRow } from "../../views/state.ts";
import { hour, measured } from "./measured.ts";
import { type Serving, settled, startServing } from "./serving.ts";

const totals = defineView({
  ...{ name: "totals", publish: true, from: measured },
  by: (f) => ({ site: f.site, hour: tumbling("1h") }),
  measures: (f) => ({ records: count(), total: sum(f.value) }),
});
const topic = { name: "test.totals.changes", partitions: 2 };
const row = (site: string, pane: number, total: number, records = 1): StateRow => ({
  dimensions: [site],
  pane,
  cells: [records, total],
});
const cutAt = (first: number, second: number) => ({ [measured.name]: [first, second].map(offset) });

/** Twenty times as fast as others. */
const quick: Clock = {
  ...systemClock,
  after(ms, callback) {
    pauses++;
    return systemClock.after(ms / 20, callback);
  },
};

let pauses: number;
let folder: string;
let log: LmdbLog;
let reader: Consumer;
/** The records so far, those of each partition in order. */
let told: ToldChange[];
let serving: Serving;
let publishers: AsyncDisposable[];
let counted: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidemark-changes-"));
  log = await LmdbLog.open({ path: folder, topics: [topic], mode: "writer" });
  pauses = 0;
  serving = startServing([totals], quick);
  publishers = [];
  counted = 0;
  told = [];
  const nexts = [0, 0].map(offset);
  reader = log.consume({
    topic: topic.name,
    position: (partition) => nexts[partition] ?? offset(0),
    handle: ({ partition, next, records }) => {
      told.push(...records.flatMap((record) => readChange(record) ?? []));
      nexts[partition] = next;
    },
  });
});
afterEach(async () => {
  for (const publisher of publishers) await publisher[Symbol.asyncDispose]();
  await serving[Symbol.asyncDispose]();
  await reader[Symbol.asyncDispose]();
  await log[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function publish(to: Log = log): AsyncDisposable {
  const publisher = serving.publishChanges(totals, {
    ...{ topic, log: to, newId: randomUUID },
    count: (rows) => {
      counted += rows;
    },
  });
  publishers.push(publisher);
  return publisher;
}

/** As a reader has it who takes the last record of each key. */
function folded(): readonly unknown[] {
  const rows = new Map<string, string>();
  for (const { key, row: text } of told) {
    if (text === null) rows.delete(key);
    else rows.set(key, text);
  }
  return sorted([...rows.values()].map((text) => JSON.parse(text) as object));
}

const sorted = (rows: readonly object[]) => rows.map((each) => JSON.stringify(each)).sort();

async function answered(): Promise<readonly unknown[]> {
  return sorted((await serving.get("/v1/views/totals/rows?limit=1000")).body.rows);
}

/** Once the topic tells what an answer does, and nothing is left to be told. */
async function agrees(): Promise<void> {
  while (JSON.stringify(folded()) !== JSON.stringify(await answered())) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await hasLooked();
}

/** Whoever publishes has looked again, and again, what there is to do. */
async function hasLooked(): Promise<void> {
  for (const until = pauses + 10; pauses < until; ) {
    serving.tail.advance();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function build(id: string, rows: readonly StateRow[], more: Partial<Manifest> = {}): Promise<void> {
  serving.generations.add(totals, id, cutAt(2, 0), rows, more);
  await serving.generations.point(totals.name, id);
  await settled();
}

const begin = () =>
  serving.tail.put(totals, [
    { partition: 0, from: 0, next: 2, rows: [row("a", 0, 1), row("b", hour, 2)] },
    { partition: 0, from: 2, next: 3, rows: [row("a", 0, 10)] },
    { partition: 1, from: 0, next: 1, rows: [row("c", 0, 100)] },
  ]);

test("every row is told once, with what it rests on, keyed by what tells it apart", async () => {
  begin();
  publish();
  await agrees();
  const changes = told;
  expect(changes.map(({ key, row: text }) => [JSON.parse(key), JSON.parse(text ?? "")])).toEqual(
    expect.arrayContaining([
      [
        { site: "a", hour: "1970-01-01T00:00:00.000Z" },
        { site: "a", hour: "1970-01-01T00:00:00.000Z", records: 2, total: 11 },
      ],
    ]),
  );
  expect(changes.length).toBe(3);
  expect(new Set(changes.map(({ position }) => position))).toEqual(new Set([`${measured.name}@0:3,1:1`]));
  expect(counted).toBe(3);
});

test("then only what has changed is, as it is by then", async () => {
  begin();
  publish();
  await agrees();
  serving.tail.put(totals, [{ partition: 0, from: 3, next: 4, rows: [row("c", 0, 5)] }]);
  serving.tail.put(totals, [{ partition: 0, from: 4, next: 5, rows: [row("c", 0, 7)] }]);
  await agrees();
  const changes = told;
  expect(changes.length).toBe(4);
  expect(changes.filter(({ key }) => JSON.parse(key).site === "c").map(({ position }) => position)).toEqual([
    `${measured.name}@0:3,1:1`,
    `${measured.name}@0:5,1:1`,
  ]);
});

test("a generation that says otherwise than what was served is told: rows that differ, and rows that are gone", async () => {
  begin();
  publish();
  await agrees();
  await build("g-1", [row("a", 0, 1), row("d", 0, 4)]);
  await agrees();
  const gone = told.filter(({ row: text }) => text === null);
  expect(gone.map(({ key }) => JSON.parse(key).site)).toEqual(["b"]);
  // Of "a" and "c" nothing is said again.
  expect(counted).toBe(5);
  // Back to what was there before.
  await build("g-2", [row("a", 0, 1), row("b", hour, 2)]);
  await agrees();
  expect(counted).toBe(7);
});

test("who takes over says what is missing and nothing else", async () => {
  begin();
  const first = publish();
  await agrees();
  await first[Symbol.asyncDispose]();
  serving.tail.put(totals, [{ partition: 1, from: 1, next: 2, rows: [row("b", hour, 3)] }]);
  const second = publish();
  await agrees();
  expect(counted).toBe(4);
  await second[Symbol.asyncDispose]();
});

test("a record of one whose time was over is put right", async () => {
  begin();
  publish();
  await agrees();
  const [one] = told;
  const late = { ...topicPlace(one), value: Buffer.from('{"position":"","row":{"site":"old"}}') };
  await log.append([late]);
  await isTold(4);
  await agrees();
  // Nor does what it ends stay ended.
  await log.append([{ ...late, value: new Uint8Array(0), isWithoutValue: true }]);
  await isTold(6);
  await agrees();
  expect(counted).toBe(5);
});

async function isTold(records: number): Promise<void> {
  while (told.length < records) await new Promise((resolve) => setTimeout(resolve, 5));
}

function topicPlace(change: ToldChange | undefined): Omit<Append, "value"> {
  const key = change?.key ?? "";
  return { topic: topic.name, partition: partitionOf(key, topic.partitions), key };
}

test("who is behind what was told already waits until it is there", async () => {
  begin();
  const first = publish();
  await agrees();
  await first[Symbol.asyncDispose]();
  const before = await answered();
  await serving[Symbol.asyncDispose]();
  serving = startServing([totals], quick);
  // Read as far as that another node would have told a row more.
  serving.tail.put(totals, [
    { partition: 0, from: 0, next: 2, rows: [row("a", 0, 1), row("b", hour, 2)] },
    { partition: 1, from: 0, next: 1, rows: [row("c", 0, 100)] },
  ]);
  publish();
  await hasLooked();
  expect(counted).toBe(3);
  expect(folded()).toEqual(before);
  serving.tail.put(totals, [{ partition: 0, from: 2, next: 3, rows: [row("a", 0, 10)] }]);
  await agrees();
  expect(counted).toBe(3);
});

test("what could not be written is written later", async () => {
  begin();
  let failures = 1;
  const faulty: Log = new Proxy(log, {
    get: (target, name: keyof Log) => {
      if (name === "append" && failures-- > 0) return async () => Promise.reject(new Error("no broker"));
      const member = target[name];
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  publish(faulty);
  await agrees();
  expect(counted).toBe(3);
});
