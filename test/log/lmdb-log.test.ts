import { type ChildProcess, execFile, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LmdbLog } from "../../infra/log/lmdb-log.ts";
import { offset } from "../../views/cut.ts";
import { append, follow, logContract, orders, readTexts, visits } from "./log-contract.ts";

logContract("LmdbLog", async (topics) => {
  const path = await mkdtemp(join(tmpdir(), "tidemark-log-"));
  const log = await LmdbLog.open({ path, topics, mode: "writer" });
  return {
    log,
    reader: () => LmdbLog.open({ path, topics, mode: "reader", pollMs: 2 }),
    async close() {
      await log[Symbol.asyncDispose]();
      await rm(path, { recursive: true });
    },
  };
});

const script = fileURLToPath(new URL("log-process.ts", import.meta.url));

/** Another process with the log open; see the file. Lives until it is killed or told to end. */
function otherProcess(...args: readonly string[]): ChildProcess {
  return fork(script, args, { execArgv: ["--import", "tsx/esm"] });
}

/** Its exit code, null if a signal ended it. */
function exited(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once("exit", (code) => resolve(code)));
}

describe("LmdbLog", () => {
  let path: string;
  const topics = [orders, visits];

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "tidemark-log-"));
  });
  afterEach(() => rm(path, { recursive: true }));

  test("goes on after it was closed, where it ended", async () => {
    const first = await LmdbLog.open({ path, topics, mode: "writer" });
    await first.append([append(0, "a"), append(1, "b")]);
    await first[Symbol.asyncDispose]();
    await within(await LmdbLog.open({ path, topics, mode: "writer" }), async (log) => {
      await log.append([append(0, "c")]);
      expect(await log.nexts(orders.name)).toEqual([2, 1, 0]);
      expect(await readTexts(log, 0, 0, 2)).toEqual(["a", "c"]);
    });
  });

  test("knows after it was closed where a partition that was trimmed begins and ends", async () => {
    await within(await LmdbLog.open({ path, topics, mode: "writer" }), async (log) => {
      await log.append([append(0, "a"), append(0, "b"), append(1, "c"), append(1, "d")]);
      await log.trim(orders.name, 0, offset(1));
      await log.trim(orders.name, 1, offset(2));
    });
    await within(await LmdbLog.open({ path, topics, mode: "writer" }), async (log) => {
      expect(await log.starts(orders.name)).toEqual([1, 2, 0]);
      await log.append([append(1, "e")]);
      expect(await log.nexts(orders.name)).toEqual([2, 3, 0]);
      expect(await readTexts(log, 0, 1, 2)).toEqual(["b"]);
      expect(await readTexts(log, 1, 2, 3)).toEqual(["e"]);
    });
  });

  test("a consumer that is overtaken by a trim fails by name", async () => {
    await within(await LmdbLog.open({ path, topics, mode: "writer" }), async (log) => {
      await log.append([append(0, "a"), append(0, "b")]);
      const consumer = log.consume({
        topic: orders.name,
        position: () => offset(0),
        handle: () => undefined,
      });
      const failed = expect(consumer.done).rejects.toMatchObject({ code: "TIDEMARK_STORE_OUT_OF_RANGE" });
      await log.trim(orders.name, 0, offset(1));
      await failed;
    });
  });

  test("closing waits for what was appended", async () => {
    const log = await LmdbLog.open({ path, topics, mode: "writer" });
    const appended = log.append([append(0, "a")]);
    await log[Symbol.asyncDispose]();
    expect((await appended).get(orders.name)?.get(0)).toBe(1);
    await within(await LmdbLog.open({ path, topics, mode: "reader" }), async (reader) => {
      expect(await readTexts(reader, 0, 0, 1)).toEqual(["a"]);
    });
  });

  test("a topic can't change its number of partitions", async () => {
    await (await LmdbLog.open({ path, topics, mode: "writer" }))[Symbol.asyncDispose]();
    await expect(
      LmdbLog.open({ path, topics: [{ name: orders.name, partitions: 5 }], mode: "writer" }),
    ).rejects.toMatchObject({
      code: "TIDEMARK_STORE_CORRUPT",
      message: expect.stringMatching(/5 partitions.* has it with 3/),
    });
  });

  test("a reader that finds no log says that there is none yet", async () => {
    await expect(LmdbLog.open({ path, topics, mode: "reader" })).rejects.toMatchObject({
      code: "TIDEMARK_NOT_READY",
    });
  });

  test("a topic that is new keeps apart from those that were there", async () => {
    await within(await LmdbLog.open({ path, topics: [orders], mode: "writer" }), (log) =>
      log.append([append(0, "order")]),
    );
    await within(await LmdbLog.open({ path, topics: [visits, orders], mode: "writer" }), async (log) => {
      await log.append([append(0, "visit", null, visits)]);
      expect(await log.nexts(visits.name)).toEqual([1]);
      expect(await readTexts(log, 0, 0, 1)).toEqual(["order"]);
    });
  });

  test("a reader that is told of its writer's commits need not look by itself", async () => {
    let committed: () => void = () => undefined;
    const log = await LmdbLog.open({ path, topics, mode: "writer", onCommit: () => committed() });
    const reader = await LmdbLog.open({ path, topics, mode: "reader", pollMs: 3_600_000 });
    committed = () => reader.advanced();
    const seen: string[] = [];
    const consumer = reader.consume({
      topic: orders.name,
      position: (partition) => offset(partition === 0 ? seen.length : 0),
      handle: ({ records }) => void seen.push(...records.map(({ value }) => Buffer.from(value).toString())),
    });
    for (const text of ["a", "b", "c"]) {
      await log.append([append(0, text)]);
      while (!seen.includes(text)) await new Promise(setImmediate);
    }
    expect(seen).toEqual(["a", "b", "c"]);
    await consumer[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
  });

  test("a second writer takes over: the first is refused by name and writes nothing more", async () => {
    const log = await LmdbLog.open({ path, topics, mode: "writer" });
    await log.append([append(0, "a")]);
    const child = otherProcess("write", path);
    const over = exited(child);
    await new Promise((resolve) => child.once("message", resolve));
    child.kill("SIGKILL");
    await over;
    await expect(log.append([append(0, "refused")])).rejects.toMatchObject({ code: "TIDEMARK_STORE_LOCKED" });
    const values: string[] = [];
    const end = (await log.nexts(orders.name))[0] ?? offset(0);
    for await (const { records } of log.read(orders.name, 0, offset(0), end))
      values.push(...records.map(({ value }) => Buffer.from(value).toString()));
    expect(values[0]).toBe("a");
    expect(values).not.toContain("refused");
    await log[Symbol.asyncDispose]();
  });

  test("another process follows the log as it grows", async () => {
    const log = await LmdbLog.open({ path, topics, mode: "writer" });
    const texts = Array.from({ length: 20_000 }, (_, i) => `${i} ${"x".repeat(200)}`);
    await log.append([append(0, texts[0] as string)]);
    const child = otherProcess("follow", path, String(texts.length));
    const answer = new Promise<string[]>((resolve) =>
      child.once("message", (sum) => resolve(sum as string[])),
    );
    for (let i = 1; i < texts.length; i += 500) {
      await log.append(texts.slice(i, i + 500).map((text) => append(0, text)));
    }
    expect(await answer).toEqual(texts);
    await exited(child);
    await log[Symbol.asyncDispose]();
  });

  test("kill -9 in mid-append: every acknowledged record is there, offsets without gaps", async () => {
    const acknowledged = [0, 0, 0];
    for (let round = 0; round < 3; round++) {
      const child = otherProcess("write", path);
      const over = exited(child);
      let left = 40 + round * 35;
      await new Promise<void>((resolve) => {
        child.on("message", (message) => {
          const [partition, next] = message as [number, number];
          acknowledged[partition] = Math.max(acknowledged[partition] ?? 0, next);
          if (--left === 0) resolve();
        });
      });
      child.kill("SIGKILL");
      await over;
      await within(await LmdbLog.open({ path, topics, mode: "reader" }), async (log) => {
        const nexts = await log.nexts(orders.name);
        for (const [partition, next] of nexts.entries()) {
          expect(next).toBeGreaterThanOrEqual(acknowledged[partition] ?? 0);
          const texts = await readTexts(log, partition, 0, next);
          expect(texts).toEqual(texts.map((_, i) => `${partition}:${i}`));
        }
        expect(
          await follow(
            log,
            nexts.reduce((a, b) => a + b, 0),
          ),
        ).toHaveLength(3);
      });
    }
    expect(Math.min(...acknowledged)).toBeGreaterThan(0);
  });

  test("a disk that is full is reported as such, and what was acknowledged stays", async () => {
    // A limit on file size (here 4 MiB) fails a write as a full disk does; LMDB is given no more than a short write.
    const limited = `trap '' XFSZ; ulimit -f 8192; exec "$0" "$@"`;
    const args = ["-c", limited, process.execPath, "--import", "tsx/esm", script, "fill", path];
    // It rejects unless the process ends well: nothing may be left that nobody could catch.
    const { stdout } = await promisify(execFile)("sh", args);
    const message: { codes: string[]; acknowledged: number } = JSON.parse(stdout);
    expect(message.codes).toEqual(Array(3).fill("TIDEMARK_INGEST_DISK"));
    expect(message.acknowledged).toBeGreaterThan(0);
    await within(await LmdbLog.open({ path, topics, mode: "reader" }), async (log) => {
      expect((await log.nexts(orders.name))[0]).toBe(message.acknowledged);
      expect(await readTexts(log, 0, 0, message.acknowledged)).toHaveLength(message.acknowledged);
    });
  });
});

/** Node 20 has no `await using`. */
async function within(log: LmdbLog, use: (log: LmdbLog) => Promise<unknown>): Promise<void> {
  try {
    await use(log);
  } finally {
    await log[Symbol.asyncDispose]();
  }
}
