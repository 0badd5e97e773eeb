import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LmdbDeadLetters } from "../../infra/dead-letters/lmdb-dead-letters.ts";

const letter = (text: string) => ({
  receivedAt: "2001-01-31T08:15:00.000Z",
  code: "TIDEMARK_EVENT_NOT_JSON",
  message: "not JSON",
  raw: Buffer.from(text),
  bytes: text.length,
});

describe("LmdbDeadLetters", () => {
  let path: string;
  let letters: LmdbDeadLetters;

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "tidemark-letters-"));
    letters = await LmdbDeadLetters.open({ path });
  });
  afterEach(async () => {
    await letters[Symbol.asyncDispose]();
    await rm(path, { recursive: true });
  });

  test("an empty store counts nothing", async () => {
    expect(await letters.count()).toBe(0);
    expect(await letters.list({ limit: 10 })).toEqual([]);
  });

  test("what is put is listed newest first, page by page, raw bytes and all", async () => {
    await letters.put([letter("a"), letter("b")]);
    await letters.put([letter("\u0000\u00ff")]);
    expect(await letters.count()).toBe(3);
    const [newest, middle] = await letters.list({ limit: 2 });
    expect(newest).toEqual({ ...letter("\u0000\u00ff"), id: 3 });
    expect(middle?.id).toBe(2);
    expect((await letters.list({ limit: 2, before: 2 })).map(({ id }) => id)).toEqual([1]);
  });

  test("raw bytes are cut to 64 KiB, their length is kept", async () => {
    await letters.put([letter("x".repeat(100_000))]);
    const [kept] = await letters.list({ limit: 1 });
    expect(kept?.raw.length).toBe(65_536);
    expect(kept?.bytes).toBe(100_000);
  });

  test("letters stay after the store was closed, and ids go on", async () => {
    await letters.put([letter("a")]);
    await letters[Symbol.asyncDispose]();
    letters = await LmdbDeadLetters.open({ path });
    await letters.put([letter("b")]);
    expect((await letters.list({ limit: 9 })).map(({ id }) => id)).toEqual([2, 1]);
  });

  test("puts at once from several places each get ids of their own", async () => {
    await Promise.all(Array.from({ length: 50 }, (_, i) => letters.put([letter(`${i}`), letter(`${i}'`)])));
    expect(new Set((await letters.list({ limit: 1000 })).map(({ id }) => id)).size).toBe(100);
  });
});
