import { expect, inject, test } from "vitest";
import { type RedisRun, RedisRunStore } from "../../infra/jobs/redis-run-store.ts";
import { begun, requested } from "../../infra/jobs/settle.ts";
import { RedisLink } from "../../infra/redis/redis-link.ts";
import { parseRedisUrl } from "../../infra/redis/redis-url.ts";
import { freshApp, removeApp } from "./queue-of-processes.ts";

const url = inject("redisUrl");

test("a worker whose lock has lapsed begins nothing, and takes no run from the worker that has it by now", async () => {
  const app = freshApp();
  await using link = await RedisLink.open({
    address: parseRedisUrl(url, "REDIS_URL"),
    warn: () => undefined,
  });
  const store = new RedisRunStore(link, `tidemark:${app}`, 20);
  await store.admit(
    { ...requested("run-1", { requestedBy: "test", ifBusy: "wait" }, 0), hold: null },
    "wait",
  );
  const key = `tidemark:${app}:runs:run-1:lock`;
  await link.client.set(key, "second");
  const begin = (hold: string) => (before: RedisRun) => ({ ...begun(before, 0), hold });
  const late = store.change("run-1", begin("first"), { key, token: "first" });
  await expect(late).rejects.toMatchObject({ code: "TIDEMARK_STORE_LOCKED" });
  expect(await store.read("run-1")).toMatchObject({ run: { state: "queued" }, attempts: 0 });
  await store.change("run-1", begin("second"), { key, token: "second" });
  expect(await store.read("run-1")).toMatchObject({ hold: "second", attempts: 1 });
  await removeApp(url, app);
});

test("what runs found to differ goes from records and from what watchers are told, whatever ran", async () => {
  const app = freshApp();
  await using link = await RedisLink.open({
    address: parseRedisUrl(url, "REDIS_URL"),
    warn: () => undefined,
  });
  const store = new RedisRunStore(link, `tidemark:${app}`, 20);
  const row = { dimensions: ["C-Zaphod-17"], pane: 0, batch: null, served: { cents: 3 } };
  for (const id of ["run-1", "run-2"]) {
    const run = requested(id, { requestedBy: "test", ifBusy: "wait" }, 0);
    await store.admit({ ...run, hold: null }, "wait");
  }
  const compared = { kind: "compared", against: null, keys: 3, differing: 1, largestDrift: 3 } as const;
  const found = { view: "v", generation: "g-1", createdAt: "", cut: "" };
  const result = {
    ...{ generations: [], records: 3 },
    reconciliations: [{ ...found, reconciliation: { ...compared, examples: [row] } }],
  };
  const succeeded = (before: RedisRun): RedisRun => ({
    ...before,
    run: { ...before.run, state: "succeeded", result },
  });
  await store.change("run-1", succeeded);
  await store.forgetExamples();
  await store.forgetExamples();
  expect((await store.read("run-1"))?.run.result?.reconciliations).toMatchObject([
    { ...found, reconciliation: { ...compared, examples: [] } },
  ]);
  const told = await link.client.xrange(store.changesKey, "-", "+");
  expect(JSON.stringify(told)).not.toContain("Zaphod");
  expect(told.map(([, [, text = ""]]) => (JSON.parse(text) as RedisRun).run.id)).toEqual([
    "run-1",
    "run-2",
    "run-1",
  ]);
  await removeApp(url, app);
});

test("of two changes of a run at once neither is lost", async () => {
  const app = freshApp();
  await using link = await RedisLink.open({
    address: parseRedisUrl(url, "REDIS_URL"),
    warn: () => undefined,
  });
  const store = new RedisRunStore(link, `tidemark:${app}`, 20);
  await store.admit(
    { ...requested("run-1", { requestedBy: "test", ifBusy: "wait" }, 0), hold: null },
    "wait",
  );
  const more = (before: RedisRun) => ({ ...before, failures: before.failures + 1 });
  await Promise.all(Array.from({ length: 20 }, () => store.change("run-1", more)));
  expect(await store.read("run-1")).toMatchObject({ failures: 20 });
  await removeApp(url, app);
});
