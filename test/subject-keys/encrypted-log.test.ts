import { chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { open } from "lmdb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Lifecycle } from "../../infra/lifecycle.ts";
import { rewriteLmdb } from "../../infra/lmdb-rewrite.ts";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import type { Append, Log, LogBatch } from "../../infra/log/log.ts";
import { RecordReader } from "../../infra/log/record-reader.ts";
import { EncryptedLog } from "../../infra/subject-keys/encrypted-log.ts";
import { readMasterKey } from "../../infra/subject-keys/master-key.ts";
import { SubjectKeys } from "../../infra/subject-keys/subject-keys.ts";
import { type Offset, offset } from "../../views/cut.ts";
import { defineEvent, Type } from "../../views/index.ts";

const sentType = (name: string, encrypted: boolean) =>
  defineEvent({
    ...{ name, encrypted, partitions: 1 },
    schema: Type.Object({ who: Type.String(), note: Type.String() }),
    key: (f) => f.who,
  });
const letter = sentType("test.letter.sent", true);
const parcel = sentType("test.parcel.sent", true);
const poster = sentType("test.poster.hung", false);
const types = [letter, parcel, poster];
const encrypted = new Set([letter.name, parcel.name]);

const masterKey = Buffer.alloc(32, 7);
const lifecycle = new Lifecycle();
let root: string;
let stored: LmdbLog;
let keys: SubjectKeys;
let log: EncryptedLog;
/** What another process has: it reads. */
let reader: EncryptedLog;
let readKeys: SubjectKeys;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-encrypted-"));
  const topics = types.map(({ name, partitions }) => ({ name, partitions }));
  const path = join(root, "keys");
  stored = lifecycle.use(await LmdbLog.open({ path: join(root, "log"), topics, mode: "writer" }));
  keys = lifecycle.use(await SubjectKeys.open({ path, masterKey, mode: "writer" }));
  log = lifecycle.use(new EncryptedLog({ log: stored, keys, topics: encrypted }));
  const storedReader = lifecycle.use(
    await LmdbLog.open({ path: join(root, "log"), topics, mode: "reader", pollMs: 2 }),
  );
  readKeys = lifecycle.use(await SubjectKeys.open({ path, masterKey, mode: "reader" }));
  reader = lifecycle.use(new EncryptedLog({ log: storedReader, keys: readKeys, topics: encrypted }));
});
afterAll(async () => {
  await lifecycle[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

let sent = 0;

function eventOf(type: typeof letter, who: string, note = "hush-hush"): Append {
  const envelope = { specversion: "1.0", id: `n${++sent}`, source: "/desk", type: type.name };
  const value = { ...envelope, time: "2026-03-01T08:00:00Z", subject: who, data: { who, note } };
  return { topic: type.name, partition: 0, key: who, value: Buffer.from(JSON.stringify(value)) };
}

async function recordsOf(from: Log, topic: string, first: number) {
  const next = (await from.nexts(topic))[0] as Offset;
  const batches: LogBatch[] = [];
  for await (const batch of from.read(topic, 0, offset(first), next)) batches.push(batch);
  return {
    values: batches.flatMap(({ records }) => records.map(({ value }) => Buffer.from(value).toString())),
    records: batches.flatMap(({ records }) => records),
    forgotten: batches.flatMap(({ forgotten = [] }) => forgotten),
    covered: batches.reduce((sum, batch) => sum + batch.next - batch.from, 0),
  };
}

/** Its disk takes a while. */
function slowed(to: LmdbLog, onAppend: (records: readonly Append[]) => void = () => undefined): LmdbLog {
  const append = async (records: readonly Append[]) => {
    onAppend(records);
    await pause(20);
    return to.append(records);
  };
  return new Proxy(to, {
    get(_, name) {
      if (name === "append") return append;
      const member = Reflect.get(to, name) as unknown;
      return typeof member === "function" ? member.bind(to) : member;
    },
  });
}

const endOf = async (topic: string) => Number((await log.nexts(topic))[0]);
const texts = (appends: readonly Append[]) => appends.map(({ value }) => Buffer.from(value).toString());

test("what is read is what was appended, to the byte and in order, whoever reads; in the log nothing of it stands", async () => {
  const text = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });
  const event = fc.tuple(fc.constantFrom(letter, parcel, poster), text, text);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(event, { maxLength: 5 }), { maxLength: 4 }), async (requests) => {
      const from = new Map(
        await Promise.all(types.map(async ({ name }) => [name, await endOf(name)] as const)),
      );
      const appends = requests.map((events) => events.map(([type, who, note]) => eventOf(type, who, note)));
      await Promise.all(appends.map((records) => log.append(records)));
      for (const { name } of types) {
        const expected = texts(appends.flat().filter(({ topic }) => topic === name));
        for (const each of [log, reader]) {
          expect((await recordsOf(each, name, from.get(name) ?? 0)).values).toEqual(expected);
        }
      }
    }),
    { numRuns: 40 },
  );
  const marked = [letter, parcel, poster].map((type) => eventOf(type, `Zaphod-${type.name}`, "Betelgeuse"));
  await log.append(marked);
  const bytes = await readFile(join(root, "log", "data.mdb"), "latin1");
  expect(bytes).toContain(`Zaphod-${poster.name}`);
  for (const { name } of [letter, parcel]) expect(bytes).not.toContain(`Zaphod-${name}`);
  expect(await readFile(join(root, "keys", "data.mdb"), "latin1")).not.toContain("Zaphod");
});

test("followed, records come in the clear, and headers with them", async () => {
  const from = await endOf(letter.name);
  const events = [
    eventOf(letter, "Ford"),
    { ...eventOf(letter, "Trillian"), headers: { traceparent: "00-1" } },
  ];
  await log.append(events);
  const seen: LogBatch[] = [];
  let next = from;
  await new Promise<void>((resolve) => {
    const consumer = reader.consume({
      topic: letter.name,
      position: () => offset(next),
      handle: (batch) => {
        seen.push(batch);
        next = batch.next;
        if (next === from + 2) resolve();
      },
    });
    lifecycle.use(consumer);
  });
  const records = seen.flatMap((batch) => batch.records);
  expect(records.map(({ value }) => Buffer.from(value).toString())).toEqual(texts(events));
  expect(
    records.map(({ headers }) => headers && Buffer.from(headers.traceparent as Uint8Array).toString()),
  ).toEqual([undefined, "00-1"]);
});

test("what was changed, and what a key that is none of ours encrypted, is no event, and says so by name", async () => {
  const from = await endOf(letter.name);
  await log.append([eventOf(letter, "Marvin"), eventOf(letter, "Arthur")]);
  const [marvins = "", arthurs = ""] = (await recordsOf(stored, letter.name, from)).values;
  const [one, other] = [JSON.parse(marvins), JSON.parse(arthurs)];
  const flipped = Buffer.from(one.data_base64, "base64");
  flipped[20] = (flipped[20] ?? 0) ^ 1;
  const changed = [
    { ...one, id: "n0" },
    { ...one, source: "/other" },
    { ...one, time: "2026-03-01T09:00:00Z" },
    { ...one, data_base64: flipped.toString("base64") },
    { ...one, data_base64: "AAAA" },
    { ...one, data_base64: other.data_base64 },
    { ...one, encryptionkey: other.encryptionkey },
    { ...one, encryptionkey: "AAAAAAAAAAAAAAAAAAAAAA" },
    { ...one, encryption: "A128GCM" },
  ];
  const at = await endOf(letter.name);
  const append = { topic: letter.name, partition: 0, key: null };
  await stored.append(changed.map((value) => ({ ...append, value: Buffer.from(JSON.stringify(value)) })));
  const { records } = await recordsOf(reader, letter.name, at);
  const decoder = new RecordReader(letter, 0);
  expect(records).toHaveLength(changed.length);
  for (const record of records) {
    expect(() => decoder.event(record)).toThrow(
      expect.objectContaining({ code: "TIDEMARK_EVENT_ENCRYPTED" }),
    );
  }
  // Somebody else's record that is not encrypted is what it says.
  const plain = eventOf(letter, "Slartibartfast");
  await stored.append([plain]);
  const { values } = await recordsOf(reader, letter.name, at + changed.length);
  expect(values).toEqual(texts([plain]));
});

test("a destroyed key's records are forgotten, and no others; the subject's later events have another key", async () => {
  const [letters, parcels] = [await endOf(letter.name), await endOf(parcel.name)];
  const both = (who: string) => [eventOf(letter, who), eventOf(parcel, who)];
  const stay = both("Fenchurch");
  await log.append([...both("Zarniwoop"), ...stay]);
  // Appends that are under way lie before the cut with the former key, those that come after it have the next one.
  await using slow = new EncryptedLog({ log: slowed(stored), keys, topics: encrypted });
  const underWay = slow.append([eventOf(letter, "Zarniwoop")]);
  const asked = slow.retire({ key: "Zarniwoop", type: letter.name });
  const later = eventOf(letter, "Zarniwoop", "a new fact");
  const after = slow.append([later]);
  const cut = await asked;
  expect(cut[letter.name]).toEqual([letters + 3]);
  await Promise.all([underWay, after]);
  expect((await recordsOf(reader, letter.name, letters)).forgotten).toEqual([]);

  const { held, destroyed } = keys.count();
  expect(await log.destroyKeys([{ key: "Zarniwoop", type: letter.name }])).toBe(1);
  expect(keys.count()).toEqual({ held: held - 1, destroyed: destroyed + 1 });
  expect(await log.destroyKeys([{ key: "Zarniwoop", type: letter.name }])).toBe(0);
  for (const each of [log, reader]) {
    const left = await recordsOf(each, letter.name, letters);
    expect(left.forgotten).toEqual([letters, letters + 2]);
    expect(left.values).toEqual(texts([stay[0] as Append, later]));
    expect(left.covered).toBe(4);
    // Of another type they are under another key.
    expect((await recordsOf(each, parcel.name, parcels)).values).toHaveLength(2);
  }
  await log.retire({ key: "Zarniwoop", type: null });
  expect(await log.destroyKeys([{ key: "Zarniwoop", type: null }])).toBe(2);
  expect((await recordsOf(reader, letter.name, letters)).values).toEqual(texts([stay[0] as Append]));
});

async function storedIn(path: string, id: string): Promise<Buffer> {
  const root = open({ path, noSubdir: false, maxDbs: 4, readOnly: true });
  const wrapped = root.openDB<Buffer, string>("keys", { encoding: "binary" }).get(id);
  await root.close();
  if (wrapped === undefined) throw new Error(`there is no key ${id}`);
  return wrapped;
}

test("whatever is under way, exactly what lies before the cut is forgotten; a record finds its key durable", async () => {
  const withoutKey: number[] = [];
  const watched = slowed(stored, (records) => {
    readKeys.refresh();
    const ids = records.map(({ value }) => JSON.parse(Buffer.from(value).toString()).encryptionkey as string);
    withoutKey.push(ids.filter((id) => readKeys.find(id) === undefined).length);
  });
  await using slow = new EncryptedLog({ log: watched, keys, topics: encrypted });
  for (let before = 0; before <= 4; before++) {
    const from = await endOf(letter.name);
    const who = `Agrajag-${before}`;
    const subject = { key: who, type: null };
    const appends: Promise<unknown>[] = [];
    const append = () => appends.push(slow.append([eventOf(letter, who), eventOf(letter, "Prosser")]));
    for (let n = 0; n < before; n++) append();
    const asked = slow.retire(subject);
    for (let n = before; n < 4; n++) append();
    const cut = await asked;
    await Promise.all(appends);
    await slow.destroyKeys([subject]);
    const { forgotten, records } = await recordsOf(reader, letter.name, from);
    expect([cut[letter.name], records.length]).toEqual([[from + 2 * before], 8 - before]);
    expect(forgotten).toEqual(Array.from({ length: before }, (_, n) => from + 2 * n));
  }
  expect([withoutKey.length, Math.max(...withoutKey)]).toEqual([20, 0]);
});

test("a destroyed key is in no byte of the store once its file is written anew, and the others are", async () => {
  const path = join(root, "shredded");
  const subject = { topic: letter.name, key: "Eddie" };
  const other = { topic: letter.name, key: "Lunkwill" };
  const before = await SubjectKeys.open({ path, masterKey, mode: "writer" });
  const [gone, kept] = await before.present([subject, other]);
  const wrapped = [await storedIn(path, gone?.id ?? ""), await storedIn(path, kept?.id ?? "")];
  await before.retire([subject]);
  await before.destroy([subject]);
  const [again] = await before.present([subject]);
  expect(again?.id).not.toBe(gone?.id);
  await before[Symbol.asyncDispose]();

  await rewriteLmdb(path, { named: true });
  const bytes = await readFile(join(path, "data.mdb"));
  expect(wrapped.map((key) => bytes.includes(key))).toEqual([false, true]);
  await using after = await SubjectKeys.open({ path, masterKey, mode: "writer" });
  expect([after.find(gone?.id ?? ""), after.find("none")]).toEqual(["destroyed", undefined]);
  expect(await after.present([other, subject])).toEqual([kept, again]);
});

test("another master key is refused, as are one that is none and one that others can read", async () => {
  const config = { code: "TIDEMARK_CONFIG" };
  const open = { path: join(root, "keys"), masterKey: Buffer.alloc(32, 8), mode: "reader" } as const;
  await expect(SubjectKeys.open(open)).rejects.toMatchObject(config);
  await expect(SubjectKeys.open({ ...open, path: join(root, "none") })).rejects.toMatchObject({
    code: "TIDEMARK_NOT_READY",
  });
  const path = join(root, "master");
  const read = (text?: string, mayMake = false) => readMasterKey({ text, path, mayMake });
  await expect(read()).rejects.toMatchObject({ ...config, message: expect.stringContaining(path) });
  for (const text of ["secret", masterKey.toString("hex"), masterKey.subarray(1).toString("base64")]) {
    await expect(read(text)).rejects.toMatchObject(config);
  }
  expect(await read(masterKey.toString("base64"))).toEqual(masterKey);
  const made = await read("", true);
  expect([await read(), (await stat(path)).mode & 0o777]).toEqual([made, 0o600]);
  await chmod(path, 0o640);
  await expect(read()).rejects.toMatchObject({ ...config, message: expect.stringContaining("chmod") });
});
