import { afterAll, beforeAll, expect, test } from "vitest";
import * as faults from "./faults.ts";
import { Stage } from "./stage.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({
    seed: 4,
    events: 60_000,
    say: (text) => process.env.FAULTS_SAY && console.log(text),
  });
}, 120_000);

afterAll(() => stage?.[Symbol.asyncDispose]());

test("processes of every role are killed: each is replaced, and every answer stays exact", async () => {
  await stage.survive("kill each role", faults.killEachRole);
}, 180_000);

test("a speed worker is stopped for longer than its session: the other takes over, and the stale one does no harm", async () => {
  await stage.survive("stall a speed worker", faults.stallSpeedWorker);
}, 180_000);

test("two speed workers come and go at random", async () => {
  await stage.survive("churn speed workers", (on) => faults.churnSpeedWorkers(on, 10_000));
}, 180_000);

test("the broker is killed and comes back", async () => {
  await stage.survive("kill the broker", faults.killBroker);
}, 180_000);

test("Redis is killed in the midst of a run: events and queries go on, and the run ends once it is back", async () => {
  await stage.survive("kill Redis in a run", faults.killRedisInRun);
}, 180_000);

test("Kafka lets go of what no speed worker has folded, and the archive has: the tail goes on from a generation", async () => {
  await stage.survive("outlast retention", faults.outlastRetention);
}, 180_000);

test("after all that no run has drifted, time never ran backwards for a reader, and verify finds nothing", async () => {
  await stage.end();
  expect(stage.reader.changes).toBeGreaterThan(10);
}, 60_000);
