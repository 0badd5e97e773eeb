import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { asidePath } from "../../infra/durable.ts";
import { fileMark } from "../../infra/generations/manifest.ts";
import { moveVersionPointer, readVersionPointer } from "../../infra/versions/version-pointer.ts";
import { VersionPointers } from "../../infra/versions/version-pointers.ts";

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
  const known = pointers.known("delays");
  expect(known).toMatchObject({ moves: 1, active: 2, former: 1, newest: 2, by: "hand", why: null });
  expect(await told).toBe("delays");
  expect((await open()).known("delays")).toEqual(known);
  expect(await readVersionPointer(root, "delays")).toEqual(known);
  expect(await readFile(join(root, "delays", "1.json"), "utf8")).toBe(
    `{"active":2,"former":1,"newest":2,"at":"${known?.at}","by":"hand","why":null}\n`,
  );
});

test("what the name meant before is kept, and the newest that it ever meant known", async () => {
  const at = Date.UTC(2024, 4, 1);
  await moveVersionPointer(
    root,
    "delays",
    () => ({ active: 3, former: 1, by: "policy", why: "so" }),
    () => at,
  );
  await moveVersionPointer(root, "delays", () => ({ active: 1, former: 3 }));
  expect(await readVersionPointer(root, "delays")).toMatchObject({
    moves: 2,
    active: 1,
    newest: 3,
    by: "hand",
  });
  expect(JSON.parse(await readFile(join(root, "delays", "1.json"), "utf8"))).toEqual({
    ...{ active: 3, former: 1, newest: 3, at: "2024-05-01T00:00:00.000Z", by: "policy", why: "so" },
  });
});

test("of moves by several processes at the same time none is lost: each goes on from the one before", async () => {
  const movers = await Promise.all(Array.from({ length: 3 }, () => open()));
  await Promise.all(
    movers.flatMap((pointers) =>
      Array.from({ length: 5 }, () =>
        pointers.move("delays", (known) => ({
          active: (known?.active ?? 1) + 1,
          former: known?.active ?? 1,
        })),
      ),
    ),
  );
  expect(await readVersionPointer(root, "delays")).toMatchObject({ moves: 15, active: 16, former: 15 });
  expect((await readdir(join(root, "delays"))).length).toBe(15);
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
  expect(there.known("delays")).toMatchObject({ active: 12, former: 11 });
  expect(heard).toMatchObject(
    Array.from({ length: 11 }, (_, i) => ["delays", { active: i + 2, former: i + 1 }]),
  );
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
  expect([2, 3, 4]).toContain(pointers.known("delays")?.active);
  expect(pointers.known("delays")?.moves).toBe(3);
});

test("what changes nothing writes nothing, and what throws leaves everything as it was", async () => {
  const pointers = await open();
  await pointers.move("delays", () => undefined);
  expect(pointers.known("delays")).toBeUndefined();
  await pointers.move("delays", () => ({ active: 2, former: 1 }));
  const mark = () => fileMark(join(root, "delays"));
  const before = [pointers.known("delays"), await mark()];
  let tellings = 0;
  pointers.onMove(() => tellings++);
  await pointers.move("delays", (known) => known);
  await expect(
    pointers.move("delays", () => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  await pointers.move("delays", () => ({ active: 2, former: 1 }));
  expect([pointers.known("delays"), await mark(), tellings]).toEqual([...before, 0]);
});

test("what a crash left beside a pointer counts for nothing, and goes with the next owner", async () => {
  await (await open()).move("delays", () => ({ active: 2, former: 1 }));
  await writeFile(asidePath(join(root, "delays", "2.json")), '{"active":3,"for');
  expect((await open()).known("delays")).toMatchObject({ active: 2, former: 1 });
  expect(await readdir(join(root, "delays"))).toHaveLength(2);
  expect((await open(true)).known("delays")).toMatchObject({ active: 2, former: 1 });
  expect(await readdir(join(root, "delays"))).toEqual(["1.json"]);
});

const rest = '"newest":2,"at":"2024-05-01T12:00:00.000Z","by":"hand","why":null';

test.each([
  ...["", "{", "null", '{"active":2,"former":1}', `{"active":0,"former":null,${rest}}`],
  ...[`{"active":2,${rest}}`, `{"active":"2","former":1,${rest}}`],
  ...[`{"active":2,"former":1,${rest.replace("hand", "nobody")}}`],
])("a file with %j is no pointer, and nothing begins on it", async (text) => {
  (await open())[Symbol.dispose]();
  await mkdir(join(root, "delays"));
  await writeFile(join(root, "delays", "1.json"), text);
  await expect(open()).rejects.toMatchObject({
    code: "TIDEMARK_STORE_CORRUPT",
    message: expect.stringContaining(join("delays", "1.json")),
  });
});
