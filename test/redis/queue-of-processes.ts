import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { BullmqJobs, type BullmqJobsOptions } from "../../infra/jobs/bullmq-jobs.ts";
import { RedisLink } from "../../infra/redis/redis-link.ts";
import { parseRedisUrl } from "../../infra/redis/redis-url.ts";

/** A name that no other test's app has. */
export const freshApp = (): string => `test-${randomUUID()}`;

/** The queue of an app as one more process has it. What goes wrong in it fails the test. */
export async function openJobs(
  url: string,
  app: string,
  options: Partial<BullmqJobsOptions> = {},
): Promise<BullmqJobs> {
  const address = parseRedisUrl(url, "REDIS_URL");
  const link = await RedisLink.open({ address, warn: () => undefined });
  // Uncaught, so that nothing of the queue goes another way for it.
  const failed = (error: unknown) =>
    queueMicrotask(() => {
      throw error;
    });
  return BullmqJobs.open({ link, app, clock: Date.now, newId: randomUUID, failed, ...options });
}

/** Removes all that an app has in a Redis that others use as well. */
export async function removeApp(url: string, app: string): Promise<void> {
  const redis = new Redis(url);
  for await (const keys of redis.scanStream({ match: `tidemark:${app}:*` })) {
    if (keys.length > 0) await redis.del(keys);
  }
  await redis.quit();
}
