import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { asidePath } from "../../infra/durable.ts";
import { fileMark } from "../../infra/generations/manifest.ts";
import { readVersionPointer, VersionPointers } from "../../infra/versions/version-pointers.ts";

let root: string;
const opened: VersionPointers[] = [];

beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), "tidemark-versions-")), "versions");
});
afterEach(async () => {
  for (const pointers of opened.splice(0)) pointers[Symbol.dispose]();
  await rm(join(root, ".."), { recursive: true, force: true });
});

async function open(isAlone = false): Promise<VersionPointers> {
  const families = ["delays", "others"];
  const pointers = await VersionPointers.open({
    ...{ root, families, watched: ["delays"], isAlone, pollMs: 1 },
    onWatchError: (error) => {
      throw error;
    },
  });
  opened.push(pointers);
  return pointers;
}

function moved(pointers: VersionPointers): Promise<string> {
  return new Promise((resolve) => {
    const listening = pointers.onMove((family) => {
      listening[Symbol.dispose]();
      resolve(family);
    });
  });
}

test("a pointer that was never moved is not there", async () => {
  const pointers = await open();
  expect(pointers.known("delays")).toBeUndefined();
  expect(await readdir(root)).toEqual([]);
});

test("a move is known at once where it is made, and to whoever opens the folder after", async () => {
  const pointers = await open();
  const told = moved(pointers);
  await pointers.move("delays", (known) => ({ active: 2, former: known?.active ?? 1 }));
  expect(pointers.known("delays")).toEqual({ active: 2, former: 1 });
  expect(await told).toBe("delays");
  expect((await open()).known("delays")).toEqual({ active: 2, former: 1 });
  expect(await readVersionPointer(root, "delays")).toEqual({ active: 2, former: 1 });
  expect(await readFile(join(root, "delays.json"), "utf8")).toBe('{"active":2,"former":1}\n');
});

test("another process hears of a move, and never of one that was taken back meanwhile", async () => {
  const [here, there] = [await open(), await open()];
  const heard: unknown[] = [];
  there.onMove((family) => heard.push([family, there.known(family)]));
  for (let version = 2; version <= 12; version++) {
    const told = moved(there);
    await here.move("delays", (known) => ({ active: version, former: known?.active ?? 1 }));
    expect(await told).toBe("delays");
  }
  expect(there.known("delays")).toEqual({ active: 12, former: 11 });
  expect(heard).toEqual(Array.from({ length: 11 }, (_, i) => ["delays", { active: i + 2, former: i + 1 }]));
});

test("who moves a pointer again and again is never told of one before", async () => {
  const pointers = await open();
  const heard: (number | undefined)[] = [];
  pointers.onMove(() => heard.push(pointers.known("delays")?.active));
  for (let version = 2; version <= 40; version++) {
    await pointers.move("delays", (known) => ({ active: version, former: known?.active ?? 1 }));
  }
  expect(heard).toEqual(Array.from({ length: 39 }, (_, i) => i + 2));
});

test("moves that are asked for together come one after the other, each from where the one before led", async () => {
  const pointers = await open();
  await Promise.all(
    [2, 3, 4].map((active) => pointers.move("delays", (known) => ({ active, former: known?.active ?? 1 }))),
  );
  expect(pointers.known("delays")).toEqual({ active: 4, former: 3 });
});

test("what changes nothing writes nothing, and what throws leaves everything as it was", async () => {
  const pointers = await open();
  await pointers.move("delays", () => undefined);
  expect(await readdir(root)).toEqual([]);
  await pointers.move("delays", () => ({ active: 2, former: 1 }));
  const mark = () => fileMark(join(root, "delays.json"));
  const before = await mark();
  let tellings = 0;
  pointers.onMove(() => tellings++);
  await pointers.move("delays", (known) => known);
  await expect(
    pointers.move("delays", () => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  await pointers.move("delays", () => ({ active: 2, former: 1 }));
  expect([pointers.known("delays"), tellings]).toEqual([{ active: 2, former: 1 }, 0]);
  expect(await mark()).toBe(before);
});

test("what a crash left beside a pointer counts for nothing, and goes with the next owner", async () => {
  await (await open()).move("delays", () => ({ active: 2, former: 1 }));
  await writeFile(asidePath(join(root, "delays.json")), '{"active":3,"for');
  expect((await open()).known("delays")).toEqual({ active: 2, former: 1 });
  expect(await readdir(root)).toHaveLength(2);
  expect((await open(true)).known("delays")).toEqual({ active: 2, former: 1 });
  expect(await readdir(root)).toEqual(["delays.json"]);
});

test.each(["", "{", '{"active":0,"former":null}', '{"active":2}', '{"active":"2","former":1}', "null"])(
  "a file with %j is no pointer, and nothing begins on it",
  async (text) => {
    (await open())[Symbol.dispose]();
    await writeFile(join(root, "delays.json"), text);
    await expect(open()).rejects.toMatchObject({
      code: "TIDEMARK_STORE_CORRUPT",
      message: expect.stringContaining("delays.json"),
    });
  },
);
