import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Append, Log } from "../../infra/log/log.ts";
import { EncryptedLog } from "../../infra/subject-keys/encrypted-log.ts";
import { KeyFiles } from "../../infra/subject-keys/key-files.ts";
import { SharedSubjectKeys } from "../../infra/subject-keys/shared-subject-keys.ts";
import { type Cut, offset } from "../../views/cut.ts";

const topic = "test.letter.sent";
const masterKey = Buffer.alloc(32, 7);
const lifecycle = new Lifecycle();
let root: string;
let stored: LmdbLog;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-shared-keys-"));
  stored = lifecycle.use(
    await LmdbLog.open({ path: join(root, "log"), topics: [{ name: topic, partitions: 1 }], mode: "writer" }),
  );
  await SharedSubjectKeys.make({ files: new KeyFiles(join(root, "keys")), masterKey });
});
afterAll(async () => {
  await lifecycle[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

const written = (name: string) => stored.nexts(name);

/** What a node has: a log over a log that all share. */
async function nodeOf(log: Log = stored, files = new KeyFiles(join(root, "keys")), ends = written) {
  const keys = await SharedSubjectKeys.open({ files, masterKey, written: ends, waitMs: 200 });
  return new EncryptedLog({ log, keys, topics: new Set([topic]) });
}

/** The log, but for what happens before and after an append of it. */
function around(before: () => Promise<unknown>, after: () => Promise<unknown> = async () => undefined): Log {
  const append = async (records: readonly Append[]) => {
    await before();
    const position = await stored.append(records);
    await after();
    return position;
  };
  return new Proxy(stored, {
    get(_, name) {
      if (name === "append") return append;
      const member = Reflect.get(stored, name) as unknown;
      return typeof member === "function" ? member.bind(stored) : member;
    },
  });
}

let sent = 0;

function letterOf(who: string): Append & { readonly id: string } {
  const id = `n${++sent}`;
  const value = { specversion: "1.0", id, source: "/desk", type: topic, time: "2026-03-01T08:00:00Z" };
  return {
    ...{ id, topic, partition: 0, key: who },
    value: Buffer.from(JSON.stringify({ ...value, data: { who } })),
  };
}

const endOf = async () => (await stored.nexts(topic))[0] ?? offset(0);

/** Ids of what a reader sees from an offset on, each with its own, and what it is told to be forgotten. */
async function readFrom(log: Log, from: number) {
  const read: { readonly at: number; readonly id: string }[] = [];
  const forgotten: number[] = [];
  for await (const batch of log.read(topic, 0, offset(from), await endOf())) {
    forgotten.push(...(batch.forgotten ?? []));
    for (const { offset: at, value } of batch.records) {
      const { id, encryption } = JSON.parse(Buffer.from(value).toString());
      read.push({ at, id: encryption === undefined ? id : "unreadable" });
    }
  }
  return { read, ids: read.map(({ id }) => id), forgotten };
}

/** Of the folder, what there is but for the names of keys that were destroyed. */
async function filesOf(...folders: readonly string[]): Promise<readonly string[]> {
  const entries = await Promise.all(
    folders.map((folder) =>
      readdir(join(root, "keys", folder), { recursive: true, withFileTypes: true }).catch(() => []),
    ),
  );
  return entries.flat().flatMap((entry) => (entry.isFile() ? [join(entry.parentPath, entry.name)] : []));
}

const erase = async (log: EncryptedLog, key: string) => {
  const subject = { key, type: null };
  const bound: Cut = await log.retire(subject);
  return { bound: Number(bound[topic]?.[0]), destroy: () => log.destroyKeys([{ ...subject, bound }]) };
};

test("of gateways that meet a new subject at once one makes its key, and all use it; each keeps its order, and nothing names the subject", async () => {
  const from = await endOf();
  const nodes = await Promise.all([nodeOf(), nodeOf(), nodeOf()]);
  const letters = Array.from({ length: 12 }, () => letterOf("Zaphod Beeblebrox"));
  await Promise.all(letters.map((letter, i) => (nodes[i % 3] as EncryptedLog).append([letter])));
  const { ids } = await readFrom(await nodeOf(), from);
  const ofNode = (n: number) => letters.filter((_, i) => i % 3 === n).map(({ id }) => id);
  for (const own of [0, 1, 2].map(ofNode)) expect(ids.filter((id) => own.includes(id))).toEqual(own);
  expect(ids).toHaveLength(letters.length);
  const named = new Set<unknown>();
  for await (const { records } of stored.read(topic, 0, from, await endOf()))
    for (const { value } of records) named.add(JSON.parse(Buffer.from(value).toString()).encryptionkey);
  const files = await filesOf("keys", "subjects");
  expect([named.size, files.length]).toEqual([1, 2]);
  for (const path of files) expect(path + (await readFile(path, "latin1"))).not.toMatch(/Zaphod/);
});

test("an append that lands behind the bound with the former key counts by the next one alone, before and after the destruction", async () => {
  const from = await endOf();
  const eraser = await nodeOf();
  const reader = await nodeOf();
  const first = letterOf("Trillian");
  await eraser.append([first]);
  let erasing: Awaited<ReturnType<typeof erase>> | undefined;
  // Retired while it is on its way to the log, and once more while it is there and its acknowledgement on the way.
  const late = letterOf("Trillian");
  const early = letterOf("Trillian");
  const retireOnce = async () => {
    erasing ??= await erase(eraser, "Trillian");
  };
  await (await nodeOf(around(retireOnce))).append([late, letterOf("Marvin")]);
  expect(erasing?.bound).toBe(from + 1);
  const before = await readFrom(reader, from);
  expect(before.ids.filter((id) => id !== first.id)).toHaveLength(2);
  expect(before.forgotten).toEqual([from + 1]);
  expect(await erasing?.destroy()).toBe(1);
  const after = await readFrom(reader, from);
  expect([after.read, after.forgotten]).toEqual([before.read.slice(1), [from, from + 1]]);

  const isFirst = erasing;
  const retireAgain = async () => {
    if (erasing === isFirst) erasing = await erase(eraser, "Trillian");
  };
  const { length } = before.read;
  await (await nodeOf(around(async () => undefined, retireAgain))).append([early]);
  // It is there twice until the erasure is done, as any duplicate may be.
  expect((await readFrom(reader, from)).ids.filter((id) => id === early.id)).toHaveLength(2);
  expect(await erasing?.destroy()).toBe(1);
  expect((await readFrom(reader, from)).ids.filter((id) => id === early.id)).toHaveLength(1);
  expect((await readFrom(reader, from)).read).toHaveLength(length - 1);
});

test("with gateways that append all the while, exactly what was acknowledged before an erasure is forgotten, and each later event is read", async () => {
  const pauseAbout = () => new Promise((resolve) => setTimeout(resolve, sent % 5));
  const gateways = await Promise.all([
    nodeOf(around(pauseAbout)),
    nodeOf(around(async () => undefined, pauseAbout)),
  ]);
  const [eraser, other, reader] = await Promise.all([nodeOf(), nodeOf(), nodeOf()]);
  const from = await endOf();
  const log: { readonly id: string; readonly begun: number; readonly done: number }[] = [];
  let now = 0;
  let isOver = false;
  const flows = [0, 1, 2, 3].map(async (n) => {
    while (!isOver) {
      const letter = letterOf("Ford");
      const begun = ++now;
      await (gateways[n % 2] as EncryptedLog).append([letter, letterOf(`other ${n}`)]);
      log.push({ id: letter.id, begun, done: ++now });
    }
  });
  let retired = 0;
  const taken = (since: number) => log.filter(({ begun }) => begun > since).map(({ id }) => id);
  for (let round = 0; round < 8; round++) {
    while (taken(retired).length < 6) await new Promise((resolve) => setTimeout(resolve, 1));
    const later = taken(retired);
    const { ids } = await readFrom(reader, from);
    expect(later.map((id) => ids.filter((each) => each === id).length)).toEqual(later.map(() => 1));
    const asked = ++now;
    // Two ask at once: each erasure has a bound of its own.
    const both = await Promise.all([erase(eraser, "Ford"), erase(other, "Ford")]);
    retired = ++now;
    const bound = Math.max(...both.map((each) => each.bound));
    const seen = await readFrom(reader, bound);
    for (const each of both) await each.destroy();
    const still = await readFrom(reader, bound);
    expect(still.read.slice(0, seen.read.length)).toEqual(seen.read);
    const left = new Set((await readFrom(reader, from)).ids);
    expect(log.filter(({ id, done }) => done < asked && left.has(id))).toEqual([]);
  }
  isOver = true;
  await Promise.all(flows);
  expect(await filesOf("retired", "bounds", "next")).toEqual([]);
});

/** Something happens before each change. */
class WatchedFiles extends KeyFiles {
  constructor(before: (change: string) => Promise<unknown>) {
    super(join(root, "keys"));
    for (const name of ["create", "replace", "move", "remove"] as const) {
      const own = this[name].bind(this) as (...args: readonly unknown[]) => Promise<never>;
      this[name] = async (...args: readonly unknown[]) => {
        await before(`${name} ${args[0]}`);
        return own(...args);
      };
    }
  }
}

/** Before the first change of that kind. */
function once(change: string, work: () => Promise<unknown>): WatchedFiles {
  let isDone = false;
  return new WatchedFiles(async (each) => {
    if (isDone || each !== change) return;
    isDone = true;
    await work();
  });
}

test("an eraser that dies at any step is taken over, and appends go on", async () => {
  const gateway = await nodeOf();
  let held = 0;
  for (let steps = 0, isDone = false; !isDone; steps++) {
    const from = await endOf();
    const who = `Agrajag ${steps}`;
    const stay = letterOf("Prosser");
    await gateway.append([letterOf(who), stay]);
    let alive = steps;
    const files = new WatchedFiles(async () => {
      if (--alive < 0) throw new Error("killed");
    });
    const dying = await nodeOf(stored, files);
    const bound = await erase(dying, who).then(
      async (erasing) => {
        await erasing.destroy().catch(() => undefined);
        return erasing.bound;
      },
      () => undefined,
    );
    isDone = alive >= 0;
    const later = letterOf(who);
    const other = letterOf("Prosser");
    let isOtherTaken = false;
    // Between two steps of the destruction nobody knows yet which key is the next.
    const taking = gateway.append([later]).then(
      () => true,
      (error: { readonly code: string }) => {
        // Nobody else has waited for it.
        expect([error.code, isOtherTaken]).toEqual(["TIDEMARK_INGEST_ERASING", true]);
        return false;
      },
    );
    await gateway.append([other]);
    isOtherTaken = true;
    const isTaken = await taking;
    const cut = bound === undefined ? undefined : { [topic]: [offset(bound)] };
    const taker = await nodeOf();
    if (cut === undefined) {
      // Nobody was told that it was asked for, and asks again.
      expect(isTaken).toBe(true);
      await (await erase(taker, who)).destroy();
    } else await taker.destroyKeys([{ key: who, type: null, bound: cut }]);
    if (!isTaken) {
      held++;
      await gateway.append([later]);
    }
    const { ids } = await readFrom(await nodeOf(), from);
    const left = cut === undefined ? [stay, other] : [stay, other, later];
    expect([steps, [...ids].sort()]).toEqual([steps, left.map(({ id }) => id).sort()]);
    expect([steps, await filesOf("retired", "bounds", "next")]).toEqual([steps, []]);
    expect(steps).toBeLessThan(30);
  }
  expect(held).toBeGreaterThan(0);
});

test("who needs a bound first finds it, and what comes with the next key lies behind it", async () => {
  const from = await endOf();
  const [gateway, reader] = await Promise.all([nodeOf(), nodeOf()]);
  await gateway.append([letterOf("Lunkwill")]);
  const [former, later] = [letterOf("Lunkwill"), letterOf("Lunkwill")];
  // The eraser has put up its mark, and is about to look for the bound, and then to write it down.
  const early = async () => {
    if ((await endOf()) === from + 1) await gateway.append([former]);
    return written(topic);
  };
  const late = once("create bounds", () => gateway.append([later]));
  const { bound, destroy } = await erase(await nodeOf(stored, late, early), "Lunkwill");
  expect(bound).toBe(from + 1);
  await destroy();
  expect((await readFrom(reader, from)).ids).toEqual([former.id, later.id]);
});

test("an erasure destroys no key that was retired by a later one", async () => {
  const from = await endOf();
  const node = await nodeOf();
  const letters = [letterOf("Fook"), letterOf("Fook"), letterOf("Fook")] as const;
  await node.append([letters[0]]);
  const first = await erase(node, "Fook");
  await node.append([letters[1]]);
  const second = await erase(node, "Fook");
  await node.append([letters[2]]);
  const left = async () => (await readFrom(node, from)).ids;
  expect([await first.destroy(), await left()]).toEqual([1, [letters[1].id, letters[2].id]]);
  expect([await second.destroy(), await left()]).toEqual([1, [letters[2].id]]);
});

test("no key is left where no erasure finds it, whatever a gateway does while a former one is destroyed", async () => {
  const gateway = await nodeOf();
  const erasesAll = async (who: string, from: number) => {
    const { destroy } = await erase(gateway, who);
    await destroy();
    expect([who, (await readFrom(gateway, from)).ids]).toEqual([who, []]);
    expect([who, await filesOf("retired", "bounds", "next")]).toEqual([who, []]);
  };
  const keys = await filesOf("keys", "subjects");

  // It is about to put a key behind one that is destroyed meanwhile; another has begun anew, or not.
  for (const who of ["Majikthise", "Vroomfondel"]) {
    const from = await endOf();
    await gateway.append([letterOf(who)]);
    const erasing = await erase(gateway, who);
    const late = once("create next", async () => {
      await erasing.destroy();
      if (who === "Majikthise") await gateway.append([letterOf(who)]);
    });
    await (await nodeOf(stored, late)).append([letterOf(who)]);
    await erasesAll(who, from);
  }

  // It has found the key's subject, and goes on when another is just about to take back what it has put behind.
  const from = await endOf();
  await gateway.append([letterOf("Deep Thought")]);
  const thinking = await erase(gateway, "Deep Thought");
  let go: () => void = () => undefined;
  const isTime = new Promise<void>((resolve) => {
    go = resolve;
  });
  class SlowFiles extends KeyFiles {
    override async read(...args: Parameters<KeyFiles["read"]>) {
      const text = await super.read(...args);
      if (args[0] === "subjects") await isTime;
      return text;
    }
  }
  const slow = await nodeOf(stored, new SlowFiles(join(root, "keys")));
  const appended = slow.append([letterOf("Deep Thought")]);
  const late = new WatchedFiles(async (change) => {
    if (change === "create next") await thinking.destroy();
    if (change !== "remove keys") return;
    go();
    await appended;
  });
  await (await nodeOf(stored, late)).append([letterOf("Deep Thought")]);
  expect((await readFrom(gateway, from)).ids).not.toContain("unreadable");
  await erasesAll("Deep Thought", from);

  // It comes when the eraser has seen that no key follows, and before it has said so.
  const last = await endOf();
  await gateway.append([letterOf("Phouchg")]);
  const erasing = await erase(gateway, "Phouchg");
  const meanwhile = once("replace subjects", async () => {
    await gateway.append([letterOf("Phouchg")]).catch(() => undefined);
  });
  const cut = { [topic]: [offset(erasing.bound)] };
  await (await nodeOf(stored, meanwhile)).destroyKeys([{ key: "Phouchg", type: null, bound: cut }]);
  await gateway.append([letterOf("Phouchg")]);
  await erasesAll("Phouchg", last);
  expect(await filesOf("keys", "subjects")).toEqual(keys);
});

test("an erasure of who was never here leaves nothing but a random name", async () => {
  const log = await nodeOf();
  const before = await filesOf("subjects", "keys");
  const { bound, destroy } = await erase(log, "Nobody");
  expect([bound, await destroy()]).toEqual([await endOf(), 1]);
  expect(await filesOf("subjects", "keys")).toEqual(before);
  expect(await filesOf("retired", "bounds", "next")).toEqual([]);
});

test("a name in a record that is no key's opens no file", async () => {
  const from = await endOf();
  const node = await nodeOf();
  await node.append([letterOf("Arthur")]);
  for await (const { records } of stored.read(topic, 0, from, await endOf())) {
    for (const { value } of records) {
      const record = JSON.parse(Buffer.from(value).toString());
      const named = (encryptionkey: unknown) => Buffer.from(JSON.stringify({ ...record, encryptionkey }));
      const values = ["../master", `../keys/${record.encryptionkey}`, "f".repeat(32), 7].map(named);
      await stored.append(values.map((each) => ({ topic, partition: 0, key: null, value: each })));
    }
  }
  const { forgotten, ids } = await readFrom(node, from);
  expect([forgotten, ids.length]).toEqual([[], 5]);
});

test("another master key is refused, and a folder that is gone is not made anew", async () => {
  const files = new KeyFiles(join(root, "keys"));
  const other = { masterKey: Buffer.alloc(32, 8), written };
  await expect(SharedSubjectKeys.open({ files, ...other })).rejects.toMatchObject({
    code: "TIDEMARK_CONFIG",
  });
  await expect(SharedSubjectKeys.make({ files, ...other })).rejects.toMatchObject({
    code: "TIDEMARK_CONFIG",
  });
  await expect(
    SharedSubjectKeys.open({ files: new KeyFiles(join(root, "none")), ...other }),
  ).rejects.toMatchObject({ code: "TIDEMARK_STORE_CORRUPT" });
});
