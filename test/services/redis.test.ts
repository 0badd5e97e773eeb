import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { startRedis } from "../../infra/kafka/services/redis.ts";

test("a Redis that was killed has what it had answered, at the same address", async () => {
  const server = await startRedis();
  try {
    const redis = new Redis(server.url, { maxRetriesPerRequest: null });
    redis.on("error", () => undefined);
    await redis.set("job", "1");
    await server.kill();
    await server.start();
    expect(await redis.get("job")).toBe("1");
    server.pause();
    const answer = redis.incr("job");
    server.resume();
    expect(await answer).toBe(2);
    redis.disconnect();
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

test("what a process started ends with it, even if that was killed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-starter-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const starter = fork(fileURLToPath(new URL("./starter.ts", import.meta.url)), [folder], {
    execArgv: ["--import", "tsx/esm"],
    stdio: "inherit",
  });
  const [url] = (await once(starter, "message")) as [string];
  const connection = connect(Number(new URL(url).port), "127.0.0.1");
  await once(connection, "connect");
  const closed = once(connection, "close");
  // Reset, not closed, if it was killed before it could.
  connection.on("error", () => undefined);
  connection.resume();
  starter.kill("SIGKILL");
  await closed;
});
