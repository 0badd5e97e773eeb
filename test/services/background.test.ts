import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cacheFolder } from "../../infra/kafka/services/cache-folder.ts";
import { kafkaVersion } from "../../infra/kafka/services/kafka-program.ts";

const jars = `kafka-${kafkaVersion}`;
let cache = "";

beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), "tidemark-background-"));
  await symlink(join(cacheFolder(), jars), join(cache, jars));
});

afterAll(async () => {
  await services("down");
  await rm(cache, { recursive: true, force: true });
});

test("services:up leaves Kafka and Redis running and says where; a second one says the same; services:down ends them", async () => {
  const up = await services("up");
  expect(up.err).toContain("Up: Kafka");
  const [, kafka = "", redis = ""] =
    /^export KAFKA_BROKERS=(.+)\nexport REDIS_URL=redis:\/\/(.+)\n$/.exec(up.out) ?? [];
  expect(await isListening(kafka)).toBe(true);
  expect(await isListening(redis)).toBe(true);

  const again = await services("up");
  expect(again.out).toBe(up.out);
  expect(again.err).toContain("Already up");
  expect((await services("up", "--brokers", "3")).err).toContain("already up with --brokers 1");

  expect((await services("down")).err).toContain("Down.");
  expect(await isListening(kafka)).toBe(false);
  expect(await isListening(redis)).toBe(false);
  expect((await services("down")).err).toContain("Nothing is up.");
});

function services(what: "up" | "down", ...args: string[]): Promise<{ out: string; err: string }> {
  const script = fileURLToPath(new URL(`../../infra/kafka/services/${what}.ts`, import.meta.url));
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--import", "tsx/esm", script, ...args],
      { env: { ...process.env, TIDEMARK_CACHE: cache } },
      (_, out, err) => resolve({ out, err }),
    );
  });
}

function isListening(address: string): Promise<boolean> {
  const [host = "", port] = address.split(":");
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
