import { afterAll, beforeAll } from "vitest";
import { BullmqJobs } from "../../infra/jobs/bullmq-jobs.ts";
import { RedisLink } from "../../infra/redis/redis-link.ts";
import { parseRedisUrl } from "../../infra/redis/redis-url.ts";
import { jobsContract } from "./jobs-contract.ts";
import { RedisServer } from "./redis-server.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

let apps = 0;
jobsContract("BullMQ jobs", async () => {
  const app = `app-${++apps}`;
  let ids = 0;
  let ms = Date.UTC(2026, 0, 1);
  return {
    open: async () =>
      BullmqJobs.open({
        link: await RedisLink.open({ address: parseRedisUrl(redis.url, "REDIS_URL"), warn: () => undefined }),
        app,
        clock: () => ++ms,
        newId: () => `run-${++ids}`,
        history: 20,
        failed: (error) => console.error(error),
        retryDelaysMs: [1, 1],
      }),
    remove: async () => undefined,
  };
});
