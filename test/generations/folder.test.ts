import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GenerationsFolder, type GenerationsOptions } from "../../infra/generations/folder.ts";
import type { Manifest } from "../../infra/generations/generations.ts";
import { onlyFile } from "../../infra/generations/state-parts.ts";
import type { StateRow } from "../../views/state.ts";
import type { Fingerprint, View } from "../../views/view.ts";
import { manifestOf, windowed, windowless } from "./some-view.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidemark-generations-"));
});

afterEach(() => rm(root, { recursive: true, force: true }));

const rowOf = (count: number): StateRow => ({ dimensions: ["a"], pane: 0, cells: [count] });

function options(changes: Partial<GenerationsOptions> = {}): GenerationsOptions {
  return {
    root,
    onWatchError: (error) => {
      throw error;
    },
    ...changes,
  };
}

/** Generation n of the view is made at second n and counts n. */
async function publish(generations: GenerationsFolder, n: number, view: View = windowless): Promise<void> {
  const draft = await generations.draft(view, `g${n}`);
  await draft.add(rowOf(n));
  await writeFile(draft.pathOf(onlyFile), "");
  const createdAt = `2026-01-01T00:00:${String(n).padStart(2, "0")}.000Z`;
  await draft.publish(manifestOf(view, `g${n}`, [rowOf(n)], { createdAt }));
  await draft.discard();
}

const ids = (manifests: readonly Manifest[]) => manifests.map(({ id }) => id);
const redeclared: View = { ...windowless, fingerprint: "another" as Fingerprint };

test("a generation is listed once it is published, newest first, and serves once it is pointed at", async () => {
  const generations = await GenerationsFolder.own(options());
  expect(await generations.list("windowless")).toEqual([]);
  expect(await generations.current(windowless)).toBeUndefined();
  const draft = await generations.draft(windowless, "draft");
  expect(await generations.list("windowless")).toEqual([]);
  for (const n of [2, 1, 3]) await publish(generations, n);
  expect(ids(await generations.list("windowless"))).toEqual(["g3", "g2", "g1"]);
  expect(await generations.current(windowless)).toBeUndefined();
  await generations.point("windowless", "g2");
  expect((await generations.current(windowless))?.id).toBe("g2");
  await draft.discard();
});

test("a view that was declared anew has no current generation, and can't open one of its former meaning", async () => {
  const generations = await GenerationsFolder.own(options());
  await publish(generations, 1);
  await generations.point("windowless", "g1");
  expect(await generations.current(redeclared)).toBeUndefined();
  await expect(generations.open(redeclared, "g1")).rejects.toMatchObject({
    code: "TIDEMARK_GENERATION_UNKNOWN",
  });
});

test("only a whole generation of the view can be pointed at or opened, by a name that stays in its folder", async () => {
  const generations = await GenerationsFolder.own(options());
  await publish(generations, 1);
  await mkdir(join(root, "windowless", "empty"));
  for (const id of ["g2", "empty", "current", "..", "../windowless/g1", ""]) {
    await expect(generations.point("windowless", id)).rejects.toMatchObject({
      code: "TIDEMARK_GENERATION_UNKNOWN",
      message: expect.stringContaining("it has g1"),
    });
  }
  await expect(generations.point("../windowless", "g1")).rejects.toThrow(/has no generation/);
  expect(await generations.list("..")).toEqual([]);
  await expect(generations.draft(windowless, "../g2")).rejects.toThrow(/can't name a generation/);
});

test("what is published never changes", async () => {
  const generations = await GenerationsFolder.own(options());
  const draft = await generations.draft(windowless, "g1");
  await writeFile(draft.pathOf(onlyFile), "");
  await publish(generations, 1);
  await expect(generations.draft(windowless, "g1")).rejects.toMatchObject({
    code: "TIDEMARK_GENERATION_EXISTS",
  });
  await expect(draft.publish(manifestOf(windowless, "g1", []))).rejects.toThrow(/ENOTEMPTY|EEXIST/);
  await draft.discard();
  const reader = await generations.open(windowless, "g1");
  expect(reader.group(["a"], undefined, undefined)).toEqual([rowOf(1)]);
  await reader[Symbol.asyncDispose]();
});

test("a manifest that does not tell what was added is refused", async () => {
  const generations = await GenerationsFolder.own(options());
  for (const changes of [
    { rows: 2 },
    { panes: null },
    { panes: { first: 0, last: 1 } },
    { view: "another" },
  ]) {
    const draft = await generations.draft(windowless, "g1");
    await draft.add(rowOf(1));
    await writeFile(draft.pathOf(onlyFile), "");
    const manifest = manifestOf(windowless, "g1", [rowOf(1)], changes);
    await expect(draft.publish(manifest)).rejects.toMatchObject({ code: "TIDEMARK_STORE_CORRUPT" });
    await draft.discard();
  }
  expect(await readdir(join(root, "windowless"))).toEqual([]);
});

test("pruning keeps the newest, the one pointed at, and what is being read", async () => {
  const generations = await GenerationsFolder.own(options());
  for (const n of [1, 2, 3, 4, 5, 6]) await publish(generations, n);
  await generations.point("windowless", "g1");
  const reader = await generations.open(windowless, "g3");
  await generations.prune("windowless", 2);
  expect(ids(await generations.list("windowless"))).toEqual(["g6", "g5", "g3", "g1"]);
  expect(reader.statesPaths.every((path) => existsSync(path))).toBe(true);
  expect(reader.group(["a"], undefined, undefined)).toEqual([rowOf(3)]);
  await reader[Symbol.asyncDispose]();
  await generations.prune("windowless", 2);
  expect(ids(await generations.list("windowless"))).toEqual(["g6", "g5", "g1"]);
});

test("of every view, declared or not, no more are kept than so many, and none from before a moment", async () => {
  const generations = await GenerationsFolder.own(options());
  for (const n of [1, 2, 3, 4]) await publish(generations, n);
  for (const n of [1, 5]) await publish(generations, n, windowed);
  await generations.pruneAll(3, Date.parse("2026-01-01T00:00:03Z"));
  expect(ids(await generations.list("windowless"))).toEqual(["g4", "g3"]);
  expect(ids(await generations.list("windowed"))).toEqual(["g5"]);
  await generations.pruneAll(1, 0);
  expect(ids(await generations.list("windowless"))).toEqual(["g4"]);
});

test("an open reader reads on when its folder is gone, as another process may prune it", async () => {
  const generations = await GenerationsFolder.own(options());
  await publish(generations, 1);
  const reader = await generations.open(windowless, "g1");
  await GenerationsFolder.read(options()).prune("windowless", 0);
  expect(await generations.list("windowless")).toEqual([]);
  expect([...reader.scan([], undefined, undefined)]).toEqual([rowOf(1)]);
  await reader[Symbol.asyncDispose]();
});

test("two readers of one generation close independently", async () => {
  const generations = await GenerationsFolder.own(options());
  await publish(generations, 1);
  const [a, b] = [await generations.open(windowless, "g1"), await generations.open(windowless, "g1")];
  await a[Symbol.asyncDispose]();
  expect(b.group(["a"], undefined, undefined)).toEqual([rowOf(1)]);
  await b[Symbol.asyncDispose]();
  const c = await generations.open(windowless, "g1");
  expect(c.group(["a"], undefined, undefined)).toEqual([rowOf(1)]);
  await c[Symbol.asyncDispose]();
});

test("what a crash left half written is removed by the owner, and by nobody else", async () => {
  const generations = await GenerationsFolder.own(options());
  await publish(generations, 1);
  const left = await generations.draft(windowless, "g2");
  GenerationsFolder.read(options());
  expect(existsSync(join(left.pathOf(onlyFile), ".."))).toBe(true);
  await GenerationsFolder.own(options());
  expect(await readdir(join(root, "windowless"))).toEqual(["g1"]);
});

test("watching tells the start and every move of a pointer once, and nothing after its end", async () => {
  const looks: (() => void)[] = [];
  const timers = {
    setTimeout: ((look: () => void) => void looks.push(look)) as unknown as typeof setTimeout,
    clearTimeout: () => void looks.splice(0),
  };
  const writer = await GenerationsFolder.own(options());
  for (const n of [1, 2]) await publish(writer, n);
  await writer.point("windowless", "g1");
  const told: string[] = [];
  const watch = GenerationsFolder.read(options({ timers })).watch([windowless, windowed], (view, current) => {
    told.push(`${view.name} ${current?.id}`);
  });
  /** Waits until the look at hand is over; then another is due. */
  const lookDone = () => expect.poll(() => looks.length, { interval: 1 }).toBe(1);
  async function lookAgain(): Promise<void> {
    await lookDone();
    looks.shift()?.();
    await lookDone();
  }
  await lookDone();
  expect(told).toEqual(["windowless g1", "windowed undefined"]);
  await lookAgain();
  expect(told.splice(0)).toHaveLength(2);
  await writer.point("windowless", "g2");
  await lookAgain();
  await writer.point("windowless", "g1");
  await lookAgain();
  expect(told.splice(0)).toEqual(["windowless g2", "windowless g1"]);
  await writer.point("windowless", "g2");
  looks.shift()?.();
  watch[Symbol.dispose]();
  // By the time that another has looked, the look that was under way is over too.
  const another = GenerationsFolder.read(options({ timers })).watch([windowless, windowed], () => undefined);
  await lookDone();
  another[Symbol.dispose]();
  expect(told).toEqual([]);
});

test("a pointer names the former or the new generation at every moment of its move", async () => {
  const generations = await GenerationsFolder.own(options());
  for (const n of [1, 2]) await publish(generations, n);
  await generations.point("windowless", "g1");
  let isMoving = true;
  const moving = (async () => {
    for (let move = 0; move < 50; move++) await generations.point("windowless", `g${1 + (move % 2)}`);
    isMoving = false;
  })();
  const reader = GenerationsFolder.read(options());
  while (isMoving) expect(["g1", "g2"]).toContain((await reader.current(windowless))?.id);
  await moving;
});
