import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { EncryptedLog } from "../../infra/subject-keys/encrypted-log.ts";
import { KeyFiles } from "../../infra/subject-keys/key-files.ts";
import { SharedSubjectKeys } from "../../infra/subject-keys/shared-subject-keys.ts";
import { sharedStage, topic } from "./shared-stage.ts";

const { nodeOf, around, letterOf, endOf, readFrom, filesOf, erase, written, stored, keysRoot } =
  sharedStage();

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
  for await (const { records } of stored().read(topic, 0, from, await endOf()))
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
  let paused = 0;
  const pauseAbout = () => new Promise((resolve) => setTimeout(resolve, ++paused % 5));
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
  for await (const { records } of stored().read(topic, 0, from, await endOf())) {
    for (const { value } of records) {
      const record = JSON.parse(Buffer.from(value).toString());
      const named = (encryptionkey: unknown) => Buffer.from(JSON.stringify({ ...record, encryptionkey }));
      const values = ["../master", `../keys/${record.encryptionkey}`, "f".repeat(32), 7].map(named);
      await stored().append(values.map((each) => ({ topic, partition: 0, key: null, value: each })));
    }
  }
  const { forgotten, ids } = await readFrom(node, from);
  expect([forgotten, ids.length]).toEqual([[], 5]);
});

test("another master key is refused, and a folder that is gone is not made anew", async () => {
  const files = new KeyFiles(keysRoot());
  const other = { masterKey: Buffer.alloc(32, 8), written };
  await expect(SharedSubjectKeys.open({ files, ...other })).rejects.toMatchObject({
    code: "TIDEMARK_CONFIG",
  });
  await expect(SharedSubjectKeys.make({ files, ...other })).rejects.toMatchObject({
    code: "TIDEMARK_CONFIG",
  });
  await expect(
    SharedSubjectKeys.open({ files: new KeyFiles(join(keysRoot(), "none")), ...other }),
  ).rejects.toMatchObject({ code: "TIDEMARK_STORE_CORRUPT" });
});
