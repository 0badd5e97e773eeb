import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openErasures } from "../../cli/erasures.ts";
import { LmdbDeadLetters } from "../../infra/dead-letters/lmdb-dead-letters.ts";
import { EmbeddedJobs } from "../../infra/jobs/embedded-jobs.ts";
import { rewriteLmdb } from "../../infra/lmdb-rewrite.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { TailCheckpoint } from "../../infra/tail/checkpoint.ts";
import { restoreChains } from "../../speed-layer/restore.ts";
import { offset } from "../../views/cut.ts";
import { Pointers } from "../speed/running.ts";
import { placesByHour, visit, visits } from "../speed/visits.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-erasures-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const bytesOf = (...names: string[]) => readFile(join(root, ...names), "latin1");
const topics = [{ name: visit.name, partitions: visit.partitions }];

test("a log that was trimmed in the midst of a batch and written anew holds no byte of what was trimmed", async () => {
  const path = join(root, "log");
  const log = await LmdbLog.open({ path, topics, mode: "writer" });
  const record = (n: number) => ({
    ...{ topic: visit.name, partition: 0, key: `key-${n};`, value: Buffer.from(`value-${n};`.repeat(200)) },
    ...(n % 2 === 0 && { headers: { named: `header-${n};` } }),
  });
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  await log.append(numbers.map(record));
  for (const n of numbers) await log.append([record(40 + n)]);
  await log.trim(visit.name, 0, offset(23));
  await log[Symbol.asyncDispose]();
  expect(await bytesOf("log", "data.mdb")).toContain("value-22;");

  await rewriteLmdb(path, { named: true });
  const bytes = await bytesOf("log", "data.mdb");
  for (const n of numbers.slice(0, 23)) {
    for (const mark of ["key", "value", "header"]) expect(bytes).not.toContain(`${mark}-${n};`);
  }
  expect(await readdir(path)).toEqual(["data.mdb"]);
  const again = await LmdbLog.open({ path, topics, mode: "writer" });
  expect([await again.starts(visit.name), await again.nexts(visit.name)]).toEqual([
    [23, 0],
    [80, 0],
  ]);
  let at = 23;
  for await (const { records } of again.read(visit.name, 0, offset(23), offset(80))) {
    for (const { offset: place, key, value, headers } of records) {
      const { value: expected, headers: named } = record(at);
      expect([place, key, value.length]).toEqual([at, `key-${at};`, expected.length]);
      expect(headers?.named && Buffer.from(headers.named as Uint8Array).toString()).toBe(named?.named);
      at++;
    }
  }
  expect(at).toBe(80);
  await again.append([record(80)]);
  expect(await again.nexts(visit.name)).toEqual([81, 0]);
  await again[Symbol.asyncDispose]();
});

test("a view begins where the log does, if it has let go of what the view would go on with", async () => {
  const log = await LmdbLog.open({ path: join(root, "log"), topics, mode: "writer" });
  const append = { topic: visit.name, partition: 0, key: null, value: Buffer.from("{}") };
  await log.append([append, append, append]);
  await log.trim(visit.name, 0, offset(2));
  await using checkpoint = await TailCheckpoint.open({ path: join(root, "tail"), app: visits });
  const chains = await restoreChains(visits.views, log, checkpoint, new Pointers());
  expect(chains.get(placesByHour)?.map(({ next }) => next)).toEqual([2, 0]);
  await log[Symbol.asyncDispose]();
});

test("letters that are erased are gone from lists, counts and, written anew, from the file; numbers go on", async () => {
  const path = join(root, "letters");
  const letters = await LmdbDeadLetters.open({ path });
  const sent = (raw: string) => ({
    ...{ receivedAt: "2026-01-01T00:00:00Z", code: "TIDEMARK_EVENT_DATA", message: `of ${raw}` },
    ...{ raw: Buffer.from(raw), bytes: raw.length, topic: null, record: null },
  });
  await letters.put(["one", "secret-2", "three", "secret-4"].map(sent));
  await letters.markReplayed("2");
  const isSecret = ({ raw }: { readonly raw: Uint8Array }) => Buffer.from(raw).includes("secret");
  expect(await letters.countOf(isSecret)).toBe(2);
  await letters.erase(isSecret);
  await letters.erase(isSecret);
  expect([await letters.count(), await letters.countOf(isSecret), await letters.get("4")]).toEqual([
    2,
    0,
    undefined,
  ]);
  await letters.put([sent("five")]);
  const { letters: listed } = await letters.list({ limit: 10 });
  expect(listed.map(({ id }) => id)).toEqual(["5", "3", "1"]);
  await letters[Symbol.asyncDispose]();

  await rewriteLmdb(path, { named: false });
  expect(await bytesOf("letters", "data.mdb")).not.toContain("secret");
  const again = await LmdbDeadLetters.open({ path });
  expect((await again.list({ limit: 10 })).letters).toEqual(listed);
  await again[Symbol.asyncDispose]();
});

test("of what former runs found no rows are left, in no free page either", async () => {
  const path = join(root, "jobs");
  const jobs = await EmbeddedJobs.open({ path, clock: Date.now, newId: () => "run-1" });
  const examples = [{ dimensions: ["secret-1"], pane: 0, batch: { visits: 1 }, served: null }];
  const compared = { against: null, keys: 9, differing: 1, largestDrift: 1, examples };
  const found = { view: "places", generation: "g-1", createdAt: "2026-01-01T00:00:00Z", cut: "t@0:3" };
  const reconciliations = [{ ...found, reconciliation: { kind: "compared" as const, ...compared } }];
  const working = jobs.work(async () => ({ generations: [], records: 3, reconciliations }));
  const ended = new Promise<void>((resolve) => {
    jobs.watch(({ finishedAt }) => finishedAt !== null && resolve());
  });
  await jobs.submit({ requestedBy: "test", ifBusy: "wait" });
  await ended;
  await working[Symbol.asyncDispose]();
  expect(JSON.stringify(await jobs.list(10))).toContain("secret-1");
  await jobs.forgetExamples();
  const [run] = await jobs.list(10);
  expect(run?.result?.reconciliations).toMatchObject([
    { reconciliation: { kind: "compared", differing: 1, examples: [] } },
  ]);
  await jobs[Symbol.asyncDispose]();
  await rewriteLmdb(path, { named: true });
  expect(await bytesOf("jobs", "data.mdb")).not.toContain("secret");
  await using again = await EmbeddedJobs.open({ path, clock: Date.now, newId: () => "run-2" });
  expect(await again.list(10)).toEqual([run]);
});

test("the key is written down while an erasure is pending, and no longer", async () => {
  const erasures = openErasures(join(root, "erasures"));
  const asked = await erasures.ask({ key: "C-17", type: null, bound: {} });
  expect(asked).toMatchObject({ state: "pending", records: null });
  expect(JSON.stringify(await erasures.list())).not.toContain("C-17");
  const [pending] = await erasures.pending();
  expect(pending).toMatchObject({ id: asked.id, key: "C-17" });
  const found = { records: { [visit.name]: 3 }, deadLetters: 1, files: 2 };
  if (pending !== undefined) await erasures.done({ ...pending, found }, { places: "g-1" }, true);
  expect(await erasures.pending()).toEqual([]);
  expect(await bytesOf("erasures", `${asked.id}.json`)).not.toContain("C-17");
  expect(await erasures.get(asked.id)).toMatchObject({ state: "done", ...found, compactedAt: null });
  expect(await erasures.needsCompaction()).toBe(true);
  await erasures.compacted();
  expect(await erasures.needsCompaction()).toBe(false);
  expect(await erasures.get("e-20260101000000-000000")).toBeUndefined();
});
