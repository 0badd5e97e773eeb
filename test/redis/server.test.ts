import { Redis } from "ioredis";
import { expect, inject, test } from "vitest";

test("the Redis that tests share evicts nothing and appends to a file", async () => {
  const redis = new Redis(inject("redisUrl"));
  try {
    expect(await redis.config("GET", "maxmemory-policy")).toEqual(["maxmemory-policy", "noeviction"]);
    expect(await redis.config("GET", "appendonly")).toEqual(["appendonly", "yes"]);
  } finally {
    redis.disconnect();
  }
});
