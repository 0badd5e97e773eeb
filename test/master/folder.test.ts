import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MasterFolder } from "../../infra/master/folder.ts";
import { offset } from "../../views/cut.ts";

const topic = "test.thing.seen";
const topics = [{ name: topic, partitions: 2 }];
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-master-"));
});

afterEach(() => rm(root, { recursive: true, force: true }));

const range = (from: number, next: number, partition = 0) => {
  return { topic, partition, from: offset(from), next: offset(next) };
};
const write = (path: string) => writeFile(path, "x");
const name = (from: number, next: number) => {
  return `${String(from).padStart(16, "0")}-${String(next).padStart(16, "0")}.parquet`;
};

async function recordsIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder)).filter((each) => !each.endsWith(".sha256")).sort();
}

test("files are named by partition and offset range, and found by every process", async () => {
  const reader = MasterFolder.read(root, topics);
  expect(await reader.cut()).toEqual({ [topic]: [0, 0] });
  expect(await reader.files(topic)).toEqual([]);
  const owner = await MasterFolder.own(root, topics);
  await owner.add(range(0, 5), write);
  await owner.add(range(0, 2, 1), write);
  await owner.add(range(5, 1_000_000), write);
  expect(await recordsIn(join(root, topic, "0"))).toEqual([name(0, 5), name(5, 1_000_000)]);
  expect(await reader.cut()).toEqual({ [topic]: [1_000_000, 2] });
  const files = await reader.files(topic);
  expect(files.map(({ partition, from, next }) => [partition, from, next])).toEqual([
    [0, 0, 5],
    [0, 5, 1_000_000],
    [1, 0, 2],
  ]);
  expect(files[1]?.path).toBe(join(root, topic, "0", name(5, 1_000_000)));
});

test("a file that does not begin where the files end is refused, and leaves nothing", async () => {
  const owner = await MasterFolder.own(root, topics);
  await owner.add(range(0, 5), write);
  await expect(owner.add(range(6, 9), write)).rejects.toMatchObject({ code: "TIDEMARK_STORE_GAP" });
  await expect(owner.add(range(4, 9), write)).rejects.toMatchObject({ code: "TIDEMARK_STORE_OVERLAP" });
  await expect(owner.add(range(5, 5), write)).rejects.toMatchObject({ code: "TIDEMARK_STORE_CORRUPT" });
  const raced = owner.add(range(5, 9), async (path) => {
    await write(path);
    await owner.add(range(5, 7), write);
  });
  await expect(raced).rejects.toMatchObject({ code: "TIDEMARK_STORE_OVERLAP" });
  expect(await recordsIn(join(root, topic, "0"))).toEqual([name(0, 5), name(5, 7)]);
});

test("a file whose writing fails is not there, and its place can be filled again", async () => {
  const owner = await MasterFolder.own(root, topics);
  const failing = owner.add(range(0, 5), async (path) => {
    await write(path);
    expect(await owner.cut()).toEqual({ [topic]: [0, 0] });
    throw new Error("disk full");
  });
  await expect(failing).rejects.toThrow("disk full");
  expect(await readdir(join(root, topic, "0"))).toEqual([]);
  await owner.add(range(0, 5), write);
  expect(await owner.cut()).toEqual({ [topic]: [5, 0] });
});

test("a gap or an overlap among the files is an error that names them", async () => {
  const owner = await MasterFolder.own(root, topics);
  await owner.add(range(0, 5), write);
  const folder = join(root, topic, "0");
  await writeFile(join(folder, name(7, 9)), "x");
  for (const look of [() => owner.files(topic), () => owner.cut()]) {
    await expect(look()).rejects.toMatchObject({ code: "TIDEMARK_STORE_GAP" });
  }
  await expect(owner.files(topic)).rejects.toThrow(new RegExp(`${name(7, 9)}.*${name(0, 5)}`));
  await rm(join(folder, name(7, 9)));
  await writeFile(join(folder, name(4, 9)), "x");
  await expect(owner.files(topic)).rejects.toMatchObject({ code: "TIDEMARK_STORE_OVERLAP" });
  await expect(owner.files(topic)).rejects.toThrow(new RegExp(`${name(4, 9)}.*${name(0, 5)}`));
  await rm(join(folder, name(0, 5)));
  await expect(owner.files(topic)).rejects.toMatchObject({ code: "TIDEMARK_STORE_GAP" });
});

test("of files that a stale writer left beside those of the one that took over, those count that lead furthest", async () => {
  const owner = await MasterFolder.own(root, topics);
  const folder = join(root, topic, "0");
  const found = async () => (await owner.files(topic)).map(({ from, next }) => [from, next]);
  for (const [from, next] of [
    [0, 5],
    [0, 8],
  ] as const)
    await writeFile(join(folder, name(from, next)), "x");
  expect(await found()).toEqual([[0, 8]]);
  await writeFile(join(folder, name(5, 9)), "x");
  expect(await found()).toEqual([
    [0, 5],
    [5, 9],
  ]);
  await owner.add(range(9, 10), write);
  expect(await found()).toEqual([
    [0, 5],
    [5, 9],
    [9, 10],
  ]);
});

test("a file that covers several takes their place, as long as any of them is there", async () => {
  const owner = await MasterFolder.own(root, topics);
  const folder = join(root, topic, "0");
  for (const next of [2, 4, 6, 8]) await owner.add(range(next - 2, next), write);
  const found = async () => (await owner.files(topic)).map(({ from, next }) => [from, next]);
  const files = (await owner.files(topic)).slice(0, 3);
  await owner.replace(files, write);
  const replaced = [
    [0, 6],
    [6, 8],
  ];
  expect(await found()).toEqual(replaced);
  expect(await owner.cut()).toEqual({ [topic]: [8, 0] });
  for (const left of [1, 0, 2]) {
    await rm(files[left]?.path ?? "");
    expect(await found()).toEqual(replaced);
  }
  await expect(owner.replace(files, write)).rejects.toMatchObject({ code: "TIDEMARK_STORE_OVERLAP" });
  await writeFile(join(folder, name(5, 9)), "x");
  await expect(found()).rejects.toMatchObject({ code: "TIDEMARK_STORE_OVERLAP" });
});

test("what is written has a checksum that sha256sum reads", async () => {
  const owner = await MasterFolder.own(root, topics);
  await owner.add(range(0, 5), write);
  const [file] = await owner.checksummed(topic, 0);
  expect(file?.sha256).toEqual(["2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"]);
  const text = await readFile(
    join(root, topic, "0", name(0, 5).replace("parquet", `${file?.sha256[0]}.sha256`)),
    "utf8",
  );
  expect(text).toBe(`${file?.sha256[0]}  ${name(0, 5)}\n`);
  expect(await owner.replaced(topic, 0)).toEqual([]);
});

test("what a crash left half written is no file, and is removed by the owner", async () => {
  const owner = await MasterFolder.own(root, topics);
  let written: () => void = () => undefined;
  const left = new Promise<void>((resolve) => {
    written = resolve;
  });
  const hanging = new Promise<void>(() => undefined);
  void owner.add(range(0, 5), async (path) => {
    await write(path);
    written();
    await hanging;
  });
  await left;
  const reader = MasterFolder.read(root, topics);
  expect(await reader.files(topic)).toEqual([]);
  expect(await readdir(join(root, topic, "0"))).toHaveLength(1);
  await MasterFolder.own(root, topics);
  expect(await readdir(join(root, topic, "0"))).toEqual([]);
});
