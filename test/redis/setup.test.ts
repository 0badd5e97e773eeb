import { expect, test } from "vitest";
import { startRedis } from "../../infra/kafka/services/redis.ts";
import { RedisLink } from "../../infra/redis/redis-link.ts";
import { parseRedisUrl } from "../../infra/redis/redis-url.ts";
import { TidemarkError } from "../../views/errors.ts";

/** What a Redis with these settings, asked for at its address after `rewrite`, has to say. */
async function linkTo(config: Readonly<Record<string, string>>, rewrite = (url: string) => url) {
  await using redis = await startRedis({ config });
  const warnings: string[] = [];
  const address = parseRedisUrl(rewrite(redis.url), "REDIS_URL");
  await using link = await RedisLink.open({ address, warn: (message) => warnings.push(message) });
  return { warnings, obstacle: link.obstacle };
}

test("a Redis that evicts is refused, with what to set", async () => {
  await expect(linkTo({ "maxmemory-policy": "allkeys-lru" })).rejects.toMatchObject({
    code: "TIDEMARK_CONFIG",
    message: expect.stringMatching(/maxmemory-policy allkeys-lru.*set "maxmemory-policy noeviction"/),
  });
});

test("a Redis without an append-only file is warned about, with what to set", async () => {
  const { warnings, obstacle } = await linkTo({ appendonly: "no" });
  expect(obstacle).toBeUndefined();
  expect(warnings).toEqual([expect.stringMatching(/batch runs that wait are lost.*"appendonly yes"/)]);
});

test("a Redis as it should be is nothing to talk about", async () => {
  expect(await linkTo({})).toEqual({ warnings: [], obstacle: undefined });
});

test("a wrong password is told of without the password", async () => {
  const { obstacle } = await linkTo({}, (url) => url.replace("//", "//user:wr0ng@"));
  expect(obstacle).toMatch(/redis:\/\/127\.0\.0\.1:\d+ can't be used.*WRONGPASS/);
  expect(obstacle).not.toContain("wr0ng");
});

test.each([
  ["127.0.0.1:6379", /REDIS_URL begins with 127\.0\.0\.1:\/\/|REDIS_URL is no URL/],
  ["http://localhost", /REDIS_URL begins with http:/],
  ["redis://", /REDIS_URL names no host/],
  ["redis://h/x", /REDIS_URL names a database that is no number/],
  ["redis://h:6379/0?db=1", /REDIS_URL has something after/],
  ["redis://u:%zz@h", /REDIS_URL has a "%"/],
  ["redis://u:s3cret@h:99999", /REDIS_URL is no URL/],
])("an address that is none is refused by the variable's name and what would be right: %s", (text, words) => {
  const parse = () => parseRedisUrl(text, "REDIS_URL");
  expect(parse).toThrow(TidemarkError);
  expect(parse).toThrow(
    expect.objectContaining({ code: "TIDEMARK_CONFIG", message: expect.stringMatching(words) }),
  );
  expect(parse).toThrow(/redis:\/\/host:port/);
  expect(parse).not.toThrow(/s3cret/);
});

test("an address says where, who and over what", () => {
  expect(parseRedisUrl("rediss://u%40x:p%2F@[::1]:7000/3", "REDIS_URL")).toEqual({
    shown: "rediss://[::1]:7000/3",
    options: { host: "::1", port: 7000, db: 3, username: "u@x", password: "p/", tls: { servername: "::1" } },
  });
  expect(parseRedisUrl("redis://h", "REDIS_URL")).toEqual({
    shown: "redis://h:6379",
    options: { host: "h", port: 6379, db: 0 },
  });
});
