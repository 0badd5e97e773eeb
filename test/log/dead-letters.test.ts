import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";
import { expect, test } from "vitest";
import { LmdbDeadLetters } from "../../infra/dead-letters/lmdb-dead-letters.ts";
import { deadLetterTopics, LogDeadLetters } from "../../infra/dead-letters/log-dead-letters.ts";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { offset } from "../../views/cut.ts";
import { deadLettersContract, letter, orderType, placed, visitType } from "./dead-letters-contract.ts";

const app = { app: "shop", types: [orderType, visitType] };

async function temporaryFolder(lifecycle: Lifecycle): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tidemark-letters-"));
  lifecycle.defer(() => rm(path, { recursive: true }));
  return path;
}

async function openLog(lifecycle: Lifecycle): Promise<LmdbLog> {
  const path = await temporaryFolder(lifecycle);
  const topics = deadLetterTopics(app.app, app.types);
  return lifecycle.use(await LmdbLog.open({ path, topics, mode: "writer" }));
}

deadLettersContract("LmdbDeadLetters", async () => {
  const lifecycle = new Lifecycle();
  const path = await temporaryFolder(lifecycle);
  const again = async () => lifecycle.use(await LmdbDeadLetters.open({ path }));
  return { letters: await again(), again, close: () => lifecycle[Symbol.asyncDispose]() };
});

deadLettersContract("LogDeadLetters on LmdbLog", async () => {
  const lifecycle = new Lifecycle();
  const log = await openLog(lifecycle);
  const again = async () => new LogDeadLetters({ log, ...app });
  return { letters: await again(), again, close: () => lifecycle[Symbol.asyncDispose]() };
});

test("letters in a folder of an earlier version are still there, and go on", async () => {
  await using lifecycle = new Lifecycle();
  const path = await temporaryFolder(lifecycle);
  const { topic: _, record: __, ...old } = letter(0);
  const earlier = open({ path, noSubdir: false, encoding: "msgpack" });
  await earlier.put(1, old);
  await earlier.close();
  await using letters = await LmdbDeadLetters.open({ path });
  await letters.put([letter(1)]);
  const found = (await letters.list({ limit: 9 })).letters;
  expect(found.map(({ id, topic, record }) => [id, topic, record])).toEqual([
    ["2", orderType, null],
    ["1", null, null],
  ]);
});

test("a dead letter in a topic is the record as it was, with the reason in its headers", async () => {
  await using lifecycle = new Lifecycle();
  const log = await openLog(lifecycle);
  const headers = { ce_id: "1", "tidemark-code": "of another Tidemark", "tidemark-replayed": "0" };
  const record = { partition: 2, offset: offset(9), key: "k", headers, timestampMs: 981_000_000_000 };
  await new LogDeadLetters({ log, ...app }).put([letter(1, { record }), letter(2, { topic: null })]);
  expect(await log.nexts("shop.dead-letter")).toEqual([1]);
  for await (const { records } of log.read(`${orderType}.dead-letter`, 0, offset(0), offset(1))) {
    const [found] = records;
    expect([found?.key, Buffer.from(found?.value ?? []).toString()]).toEqual(["k", "letter 1"]);
    const texts = Object.entries(found?.headers ?? {}).map(([name, value]) => [name, String(value)]);
    expect(Object.fromEntries(texts)).toEqual({
      ce_id: "1",
      "tidemark-code": "TIDEMARK_EVENT_DATA",
      "tidemark-message": "why, 1: “ü”",
      "tidemark-received-at": "2001-01-31T12:00:01.000Z",
      "tidemark-bytes": "8",
      "tidemark-partition": "2",
      "tidemark-offset": "9",
      "tidemark-timestamp": "981000000000",
    });
  }
});

test("letters that the log has let go of are gone, and those after them are not", async () => {
  await using lifecycle = new Lifecycle();
  const log = await openLog(lifecycle);
  const letters = new LogDeadLetters({ log, ...app });
  await letters.put([placed(0, 0, 1), placed(1, 0, 2), letter(2)]);
  const [newest, , oldest] = (await letters.list({ limit: 9 })).letters;
  await letters.markReplayed(newest?.id ?? "");
  await log.trim(`${orderType}.dead-letter`, 0, offset(1));
  for (const store of [letters, new LogDeadLetters({ log, ...app })]) {
    expect(await store.count()).toBe(2);
    const left = (await store.list({ limit: 9 })).letters;
    expect(left.map(({ message, isReplayed }) => [message, isReplayed])).toEqual([
      [letter(2).message, true],
      [letter(1).message, false],
    ]);
    expect(await store.get(oldest?.id ?? "")).toBe(undefined);
  }
  await letters.put([placed(1, 0, 2), placed(3, 0, 4)]);
  expect(await letters.count()).toBe(3);
});

test("letters that are erased go, the others are there once, as they were, also where that was begun twice", async () => {
  await using lifecycle = new Lifecycle();
  const log = await openLog(lifecycle);
  const stranger = { topic: "shop.dead-letter", partition: 0, key: "k", value: Buffer.from("?") };
  const letters = new LogDeadLetters({ log, ...app });
  await letters.put([placed(0, 0, 1), placed(1, 0, 2), placed(2, 0, 3), letter(3, { topic: null })]);
  await log.append([stranger]);
  const before = (await letters.list({ limit: 9 })).letters;
  const ids = new Map(before.map(({ message, id }) => [message, id]));
  for (const n of [1, 2]) await letters.markReplayed(ids.get(letter(n).message) ?? "");
  const isErased = ({ message }: { readonly message: string }) => message === letter(1).message;
  expect(await letters.countOf(isErased)).toBe(1);

  // It dies before what stood there first is let go of.
  const dying = new Proxy(log, {
    get: (of, name: keyof LmdbLog) => {
      if (name === "trim") return () => Promise.reject(new Error("killed"));
      return typeof of[name] === "function" ? of[name].bind(of) : of[name];
    },
  });
  await expect(new LogDeadLetters({ log: dying, ...app }).erase(isErased)).rejects.toThrow("killed");
  expect(await letters.count()).toBe(5);
  await letters.erase(isErased);
  await letters.put([placed(2, 0, 3), placed(4, 0, 4)]);
  const expected = before
    .filter((each) => !isErased(each))
    .map(({ id: _, isReplayed: __, ...each }) => ({
      ...each,
      isReplayed: each.message === letter(2).message,
    }));
  for (const store of [letters, new LogDeadLetters({ log, ...app })]) {
    const found = (await store.list({ limit: 9 })).letters.filter(
      ({ message }) => message !== letter(4).message,
    );
    const byMessage = (a: { message: string }, b: { message: string }) => (a.message < b.message ? -1 : 1);
    expect(found.map(({ id: _, ...each }) => each).sort(byMessage)).toEqual(expected.sort(byMessage));
    expect(await store.count()).toBe(5);
    expect(await store.get(ids.get(letter(1).message) ?? "")).toBe(undefined);
    expect(await store.countOf(isErased)).toBe(0);
  }
  const topic = `${orderType}.dead-letter`;
  const [[start = offset(0)], [next = offset(0)]] = [await log.starts(topic), await log.nexts(topic)];
  for await (const { records } of log.read(topic, 0, start, next)) {
    for (const { value } of records) expect(Buffer.from(value).toString()).not.toBe("letter 1");
  }
});

test("whoever begins anew where all letters were erased finds none, erases once more, and goes on", async () => {
  await using lifecycle = new Lifecycle();
  const log = await openLog(lifecycle);
  const former = new LogDeadLetters({ log, ...app });
  await former.put([letter(1), letter(2)]);
  await former.erase(() => true);
  const letters = new LogDeadLetters({ log, ...app });
  expect(await letters.countOf(() => true)).toBe(0);
  await letters.erase(() => true);
  await letters.put([letter(3)]);
  expect([await letters.count(), await letters.countOf(() => true)]).toEqual([1, 1]);
});

test("what others put into a topic of dead letters is shown as it is", async () => {
  await using lifecycle = new Lifecycle();
  const log = await openLog(lifecycle);
  await log.append([{ topic: "shop.dead-letter", partition: 0, key: null, value: Buffer.from("?") }]);
  expect((await new LogDeadLetters({ log, ...app }).list({ limit: 1 })).letters).toMatchObject([
    { code: "", bytes: 1, topic: null, record: null, isReplayed: false },
  ]);
});
